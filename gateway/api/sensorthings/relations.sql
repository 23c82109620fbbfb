-- The entities of SensorThings as relations over the store; `model.py` names their columns. `sql_builder` puts them into
-- its queries, which leave out what they do not read. Positions are rounded to three decimals, as everywhere in public.
-- A station that moves has no place, so it is no Thing here.
-- Parameters: root and sta_root (addresses), operator (who runs the site), licence.

-- name: thing
SELECT s.number AS id, s.name, 'Measuring station in ' || a.name AS description,
       %(root)s::text || '/stations/' || s.id AS definition,
       jsonb_build_object(
           'station', s.id, 'area', a.id, 'project', a.name, 'owner', %(operator)s::text, 'licence', %(licence)s::text,
           'codegemeente', '', 'knmicode', '', 'pm10closecode', '', 'pm10regiocode', '', 'pm10stadcode', '',
           'pm25closecode', '', 'pm25regiocode', '', 'pm25stadcode', '') AS properties
FROM station s JOIN area a ON a.id = s.area_id WHERE NOT starts_with(s.id, 'mobile-')

-- name: place
SELECT s.number AS id, s.name, 'Position rounded to three decimals, about 100 m' AS description,
       %(root)s::text || '/stations/' || s.id AS definition, 'application/geo+json' AS encoding_type,
       round(s.longitude::numeric, 3)::float8 AS longitude, round(s.latitude::numeric, 3)::float8 AS latitude,
       jsonb_build_object('station', s.id, 'area', s.area_id) AS properties, 1 AS feature_type_id
FROM station s WHERE NOT starts_with(s.id, 'mobile-')

-- name: historical_location
SELECT s.number AS id, date_trunc('milliseconds', i.since) AS time
FROM station s JOIN (SELECT station_id, min(since) AS since FROM installation GROUP BY station_id) AS i ON i.station_id = s.id
WHERE NOT starts_with(s.id, 'mobile-')

-- name: datastream
-- Its period is that of the readings that count; a stamp ahead of the clock is none of them.
SELECT d.id, s.number AS station_number, p.number AS property_number, s.name || ': ' || p.name_en AS name,
       'Single readings as the sensor gave them, uncorrected, without those that do not count' AS description,
       %(root)s::text || '/api/v1/datastreams/' || d.id AS definition,
       'http://www.opengis.net/def/observationType/OGC-OM/2.0/OM_Measurement' AS observation_type,
       jsonb_build_object('name', p.unit, 'symbol', p.unit, 'definition', 'http://unitsofmeasure.org/' || p.unit) AS unit_of_measurement,
       jsonb_build_object('type', 'Quantity', 'label', p.name_en,
                          'definition', %(root)s::text || '/api/v1/observed-properties/' || p.id,
                          'uom', jsonb_build_object('code', p.unit)) AS result_type,
       round(s.longitude::numeric, 3)::float8 AS longitude, round(s.latitude::numeric, 3)::float8 AS latitude,
       (SELECT o.observed_at FROM observation o WHERE o.datastream_id = d.id AND valid_value(o.value, o.flags) IS NOT NULL
        ORDER BY o.observed_at LIMIT 1) AS phenomenon_start,
       (SELECT o.observed_at FROM observation o WHERE o.datastream_id = d.id AND valid_value(o.value, o.flags) IS NOT NULL
        ORDER BY o.observed_at DESC LIMIT 1) AS phenomenon_end,
       jsonb_build_object('node', d.node_id, 'station', s.id, 'observedProperty', p.id, 'averaging', 'raw',
                          'isCorrected', false, 'allReadings',
                          %(root)s::text || '/api/v1/datastreams/' || d.id || '/observations?averaging=raw') AS properties
FROM datastream d JOIN station s ON s.id = d.station_id JOIN observed_property p ON p.id = d.property_id
WHERE NOT starts_with(s.id, 'mobile-')

-- name: sensor
-- The instrument is known once an operator recorded its change or its calibration.
SELECT d.id, coalesce(i.model, 'Sensor') || ' of node ' || d.node_id AS name,
       'Instrument that measures ' || p.name_en || ' at this node' AS description,
       %(root)s::text || '/about' AS definition, 'text/html' AS encoding_type, %(root)s::text || '/about' AS metadata,
       jsonb_build_object('node', d.node_id, 'observedProperty', p.id, 'model', i.model) AS properties
FROM datastream d JOIN observed_property p ON p.id = d.property_id
LEFT JOIN LATERAL (
    SELECT k.model FROM (
        SELECT c.model, c.changed_at AS at FROM sensor_change c
        WHERE c.node_id = d.node_id AND d.property_id = ANY(c.properties)
        UNION ALL
        SELECT c.sensor_model, c.valid_from FROM calibration c
        WHERE c.node_id = d.node_id AND c.property_id = d.property_id
    ) AS k WHERE k.at <= now() ORDER BY k.at DESC LIMIT 1
) AS i ON true
WHERE NOT starts_with(d.station_id, 'mobile-')

-- name: observed_property
-- Names as RIVM's SensorThings service has them, where it has the property.
SELECT p.number AS id,
       CASE p.id WHEN 'pm2_5' THEN 'pm25' WHEN 'temperature' THEN 'temp' WHEN 'humidity' THEN 'rh' WHEN 'pressure' THEN 'pres'
                 ELSE p.id END AS name,
       %(root)s::text || '/api/v1/observed-properties/' || p.id AS definition, p.name_en AS description,
       jsonb_build_object('observedProperty', p.id, 'unit', p.unit, 'name_nl', p.name_nl) AS properties
FROM observed_property p

-- name: feature_type
SELECT 1 AS id, 'Measuring station' AS name, 'A place where air is measured; its position is rounded' AS description,
       %(root)s::text || '/about' AS definition, '{}'::jsonb AS properties

-- name: observation_datastream
-- The datastreams of readings: the outer part of every query of Observations.
SELECT d.id AS datastream_id, s.number AS station_number FROM datastream d JOIN station s ON s.id = d.station_id
WHERE NOT starts_with(s.id, 'mobile-')

-- name: observation
-- Readings that count. The index observation_by_time has all columns but batch_id.
SELECT o.datastream_id, o.observed_at, o.value AS result, o.flags, o.batch_id
FROM observation o WHERE valid_value(o.value, o.flags) IS NOT NULL

-- name: select_batches
SELECT b.id, b.node_id AS node, b.incarnation, b.seq FROM batch b WHERE b.id = ANY(%(ids)s::bigint[])

-- name: lock_publisher
-- One replica of the API publishes Observations over MQTT.
SELECT pg_try_advisory_lock(7431131, 0)

-- name: select_new_observations
-- The readings of these datastreams and times that count, in order of time.
SELECT o.datastream_id, o.observed_at, o.value AS result, o.flags, o.batch_id, s.number AS station_number
FROM unnest(%(ids)s::int[], %(times)s::timestamptz[]) AS u(datastream_id, observed_at)
JOIN observation o USING (datastream_id, observed_at)
JOIN datastream d ON d.id = o.datastream_id JOIN station s ON s.id = d.station_id
WHERE valid_value(o.value, o.flags) IS NOT NULL
ORDER BY o.observed_at, o.datastream_id
