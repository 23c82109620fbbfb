-- Queries of the follower of mobile stations.

-- name: select_new_batches
-- Per node and incarnation the numbers that the ledger has and nobody has read for positions, at most a thousand.
SELECT f.node_id AS node, f.incarnation, f.station_id AS station,
       (f.fresh * int8multirange(int8range(lower(f.fresh), lower(f.fresh) + 1000)))::text AS numbers,
       upper(f.fresh) > lower(f.fresh) + 1000 AS has_more
FROM (
    SELECT l.node_id, l.incarnation, i.station_id, l.received - coalesce(d.received, '{}'::int8multirange) AS fresh
    FROM mobile_station m
    JOIN installation i ON i.station_id = m.station_id AND i.until IS NULL
    JOIN node n ON n.id = i.node_id
    JOIN ledger l ON l.node_id = i.node_id
    LEFT JOIN followed_batch d ON d.node_id = l.node_id AND d.incarnation = l.incarnation
    WHERE ARRAY['*', n.area_id] && %(areas)s
) AS f
WHERE NOT isempty(f.fresh)
ORDER BY 1, 2

-- name: select_payloads
SELECT id, payload FROM batch
WHERE node_id = %(node)s AND incarnation = %(incarnation)s AND payload <> ''
  AND seq >= lower(%(numbers)s::int8multirange) AND seq < upper(%(numbers)s::int8multirange)
  AND seq <@ %(numbers)s::int8multirange

-- name: insert_positions
-- Those with a reading of that moment whose time is believed: a wrong clock would put a track into another day.
INSERT INTO track_position (station_id, observed_at, latitude, longitude, altitude, batch_id)
SELECT %(station)s, u.* FROM unnest(%(times)s::timestamptz[], %(latitudes)s::float8[], %(longitudes)s::float8[],
                                    %(altitudes)s::float8[], %(batches)s::bigint[])
     AS u(observed_at, latitude, longitude, altitude, batch_id)
WHERE EXISTS (SELECT 1 FROM datastream d JOIN observation o ON o.datastream_id = d.id
              WHERE d.station_id = %(station)s AND o.observed_at = u.observed_at AND NOT is_undated(o.flags))
ON CONFLICT DO NOTHING

-- name: record_followed
INSERT INTO followed_batch AS f (node_id, incarnation, received)
VALUES (%(node)s, %(incarnation)s, %(numbers)s::int8multirange)
ON CONFLICT (node_id, incarnation) DO UPDATE SET received = f.received + excluded.received

-- name: select_span
-- The tracks that new positions touch or join, as one span of time.
SELECT least(min(t.began_at), %(start)s) AS start, greatest(max(t.ended_at), %(end)s) AS "end"
FROM track t
WHERE t.station_id = %(station)s AND t.ended_at >= %(start)s - interval '10 minutes'
  AND t.began_at <= %(end)s + interval '10 minutes'

-- name: select_positions
SELECT (extract(epoch FROM observed_at) * 1000)::bigint, latitude, longitude, altitude FROM track_position
WHERE station_id = %(station)s AND observed_at BETWEEN %(start)s AND %(end)s ORDER BY observed_at

-- name: select_values
-- Per property the times in ms and the valid values of the readings of a span, in order of time.
SELECT d.property_id, array_agg((extract(epoch FROM o.observed_at) * 1000)::bigint ORDER BY o.observed_at),
       array_agg(valid_value(o.value, o.flags) ORDER BY o.observed_at)
FROM datastream d JOIN observation o ON o.datastream_id = d.id
WHERE d.station_id = %(station)s AND o.observed_at BETWEEN %(start)s AND %(end)s AND NOT is_undated(o.flags)
GROUP BY d.property_id ORDER BY d.property_id

-- name: delete_tracks
DELETE FROM track WHERE station_id = %(station)s AND began_at BETWEEN %(start)s AND %(end)s

-- name: insert_track
INSERT INTO track (id, station_id, area_id, began_at, ended_at, shown_from, shown_until, metres, positions)
SELECT %(id)s, s.id, s.area_id, %(began_at)s, %(ended_at)s, %(shown_from)s, %(shown_until)s, %(metres)s, %(positions)s
FROM station s WHERE s.id = %(station)s

-- name: insert_passes
INSERT INTO cell_pass (track_id, area_id, property_id, north, east, day, readings, mean, background)
SELECT t.id, a.id, u.property_id, u.north, u.east, (u.began_at AT TIME ZONE a.time_zone)::date, u.readings, u.mean, u.background
FROM track t JOIN area a ON a.id = t.area_id
CROSS JOIN unnest(%(properties)s::text[], %(norths)s::int[], %(easts)s::int[], %(times)s::timestamptz[],
                  %(readings)s::int[], %(means)s::float8[], %(backgrounds)s::float8[])
     AS u(property_id, north, east, began_at, readings, mean, background)
WHERE t.id = %(track)s

-- name: select_station
SELECT vehicle, has_exhaust, is_private FROM mobile_station WHERE station_id = %(station)s
