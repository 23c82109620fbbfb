-- What alerting may ask of the gateway's tables: these names are the contract, the tables behind them are not.

CREATE FUNCTION alerting.curve(at_station text, of_property text, since timestamptz, until timestamptz)
RETURNS TABLE (at timestamptz, value double precision, flags int) LANGUAGE sql STABLE AS $$
    -- where several sensors of a station measure the same, the one that saw the most
    WITH mine AS (
        SELECT o.datastream_id, o.observed_at, o.value, o.flags
        FROM public.observation o JOIN public.datastream d ON d.id = o.datastream_id
        WHERE d.station_id = at_station AND d.property_id = of_property AND o.observed_at BETWEEN since AND until
    )
    SELECT observed_at, value, flags FROM mine
    WHERE datastream_id = (SELECT datastream_id FROM mine WHERE value IS NOT NULL ORDER BY value DESC LIMIT 1)
    ORDER BY observed_at
$$;

CREATE VIEW alerting.heard AS             -- each station in use, and when anything last came from one of its nodes
SELECT s.id AS station, s.area_id AS area, s.name, round(s.latitude::numeric, 3)::float8 AS latitude,
       round(s.longitude::numeric, 3)::float8 AS longitude, max(n.last_seen) AS last_heard
FROM public.station s
JOIN public.installation i ON i.station_id = s.id AND i.until IS NULL
JOIN public.node_status n ON n.node_id = i.node_id
GROUP BY s.id;

CREATE VIEW alerting.known AS             -- every value that a matcher can sensibly ask for
SELECT 'area' AS label, id AS value FROM public.area
UNION ALL SELECT 'station', id FROM public.station
UNION ALL SELECT 'property', id FROM public.observed_property
UNION ALL SELECT 'site', name FROM public.site;
