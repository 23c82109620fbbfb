-- Published levels as conditions of alerting's routes. `piekwacht migrate` writes the rows of gateway/assessment/levels.toml.
-- docs/adr/0198-levels-as-a-condition.md

CREATE TABLE published_level (
    id                text PRIMARY KEY,
    substance         text NOT NULL,
    averaging         text NOT NULL,
    value             double precision NOT NULL CHECK (value > 0),
    consecutive_hours int NOT NULL CHECK (consecutive_hours > 0),
    source            text NOT NULL CHECK (source <> ''),
    edition           text NOT NULL CHECK (edition <> ''),
    published         date NOT NULL
);
COMMENT ON TABLE published_level IS 'levels of means in ug/m3, each with its source; written by every migration';

-- Levels that the mean of a station is at or above, with the data capture of gateway/assessment/averaging.py: an hour needs
-- 75 % of its readings, the last 24 hours need 18. Of several sensors the highest mean counts.
CREATE FUNCTION alerting.levels_reached(at_station text, of_property text, until timestamptz)
RETURNS SETOF text LANGUAGE sql STABLE AS $$
    WITH span AS (
        SELECT date_bin('1 hour', until, 'epoch') AS ends_at, date_bin('1 hour', until, 'epoch') - interval '24 hours' AS starts_at,
               array_agg(d.id) AS ids
        FROM public.datastream d JOIN public.observed_property p ON p.id = d.property_id AND p.unit = 'ug/m3'
        WHERE d.station_id = at_station AND d.property_id = of_property
    ), hours AS (
        SELECT m.datastream_id, m.bucket, m.mean, span.ends_at
        FROM span
        CROSS JOIN LATERAL public.means_1h(span.ids, span.starts_at, span.ends_at) m
        JOIN LATERAL public.sampling_intervals(span.ids, span.starts_at, span.ends_at, '1 hour') i
          ON i.datastream_id = m.datastream_id AND i.starts_at = m.bucket
        WHERE m.valid_count >= 0.75 * public.expected_count(m.bucket, m.bucket + interval '1 hour', i.seconds)
          AND m.mean IS NOT NULL
    ), days AS (
        SELECT sum(mean) / count(*) AS mean FROM hours GROUP BY datastream_id HAVING count(*) >= 18
    )
    SELECT l.id FROM public.published_level l
    WHERE l.substance = of_property AND (
        (l.averaging = 'day' AND EXISTS (SELECT 1 FROM days WHERE days.mean >= l.value))
        OR (l.averaging = '1h' AND EXISTS (
            SELECT 1 FROM hours h
            WHERE h.bucket >= h.ends_at - l.consecutive_hours * interval '1 hour' AND h.mean >= l.value
            GROUP BY h.datastream_id HAVING count(*) = l.consecutive_hours)))
$$;
COMMENT ON FUNCTION alerting.levels_reached IS 'ids of levels that the last 24 hours, or the last hours, are at or above';
