-- name: upsert_station
INSERT INTO context_station (source, id, area_id, name, attribution)
VALUES (%(source)s, %(id)s, %(area)s, %(name)s, %(attribution)s)
ON CONFLICT (source, id, area_id) DO UPDATE SET name = excluded.name, attribution = excluded.attribution

-- name: select_area
SELECT id FROM area WHERE id = %(area)s

-- name: upsert_value
-- A network corrects its values later: the last one counts.
INSERT INTO context_value (source, station, observed_property, starts_at, seconds, value, unit)
VALUES (%(source)s, %(station)s, %(observed_property)s, %(start)s, %(seconds)s, %(value)s, %(unit)s)
ON CONFLICT (source, station, observed_property, starts_at, seconds) DO UPDATE
SET value = excluded.value, unit = excluded.unit, imported_at = now()
WHERE (context_value.value, context_value.unit) IS DISTINCT FROM (excluded.value, excluded.unit)
