-- name: insert_sample
-- A sample that is stored already stays as it is: the caller compares it.
INSERT INTO laboratory_sample (station_id, substance, starts_at, ends_at, value, uncertainty, laboratory, method)
VALUES (%(station)s, %(substance)s, %(start)s, %(end)s, %(value)s, %(uncertainty)s, %(laboratory)s, %(method)s)
ON CONFLICT (station_id, substance, starts_at, ends_at) DO NOTHING RETURNING value

-- name: select_sample
SELECT value FROM laboratory_sample
WHERE station_id = %(station)s AND substance = %(substance)s AND starts_at = %(start)s AND ends_at = %(end)s

-- name: update_sample
UPDATE laboratory_sample SET value = %(value)s, uncertainty = %(uncertainty)s, laboratory = %(laboratory)s,
    method = %(method)s, imported_at = now()
WHERE station_id = %(station)s AND substance = %(substance)s AND starts_at = %(start)s AND ends_at = %(end)s

-- name: select_stations
SELECT id FROM station
