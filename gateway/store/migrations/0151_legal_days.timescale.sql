-- Legal days of any time zone: the first of two midnights, and offsets that are no whole hours. On TimescaleDB.

CREATE FUNCTION midnight(day date, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN f.at AT TIME ZONE zone = day::timestamp THEN f.at ELSE day::timestamp AT TIME ZONE zone END
    FROM (  -- midnight by the offset of the evening before: of two midnights PostgreSQL takes the second
        SELECT (day::timestamp - ((e.at AT TIME ZONE zone) - (e.at AT TIME ZONE 'UTC'))) AT TIME ZONE 'UTC' AS at
        FROM (SELECT (day::timestamp AT TIME ZONE zone) - interval '6 hours' AS at) AS e
    ) AS f
$$;
COMMENT ON FUNCTION midnight IS 'when a legal day begins: the first moment with this midnight on the clock';

CREATE FUNCTION legal_days(since timestamptz, until timestamptz, zone text)
RETURNS TABLE (starts_at timestamptz, ends_at timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT d.starts_at, d.ends_at
    FROM (
        SELECT midnight((since AT TIME ZONE zone)::date + n, zone) AS starts_at,
               midnight((since AT TIME ZONE zone)::date + n + 1, zone) AS ends_at
        FROM generate_series(0, (until AT TIME ZONE zone)::date - (since AT TIME ZONE zone)::date + 1) AS n
    ) AS d
    WHERE d.starts_at < d.ends_at AND d.starts_at >= since AND d.starts_at < until
$$;
COMMENT ON FUNCTION legal_days IS 'the legal days that begin in a period, each with its end';

DROP FUNCTION means_1day(int[], timestamptz, timestamptz, text);
DROP FUNCTION next_midnight(timestamptz, text);

-- The legal days of the Netherlands come from their aggregate. Those of another zone, and earlier ones, come from hourly
-- means; if such a day does not begin and end at a whole hour of UTC, from one-minute means. Directions: from readings.
CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH day AS MATERIALIZED (
        SELECT starts_at, ends_at,
               date_trunc('hour', starts_at, 'UTC') = starts_at AND date_trunc('hour', ends_at, 'UTC') = ends_at AS has_whole_hours
        FROM legal_days(since, until, zone)
    )
    SELECT m.datastream_id, m.bucket, d.ends_at, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1day m JOIN day d ON d.starts_at = m.bucket
    WHERE zone = 'Europe/Amsterdam' AND m.datastream_id = ANY((SELECT straight(ids))::int[])
      AND m.bucket >= since AND m.bucket < until
    UNION ALL
    SELECT p.datastream_id, p.starts_at, p.ends_at, sum(p.count)::bigint, sum(p.valid_count)::bigint,
           sum(p.mean * p.valid_count) / nullif(sum(p.valid_count), 0), min(p.min), max(p.max), bit_or(p.flags)
    FROM (
        SELECT h.*, d.starts_at, d.ends_at
        FROM day d CROSS JOIN LATERAL means_1h((SELECT straight(ids)), d.starts_at, d.ends_at) h
        WHERE zone <> 'Europe/Amsterdam' AND d.has_whole_hours
        UNION ALL
        SELECT m.*, d.starts_at, d.ends_at
        FROM day d CROSS JOIN LATERAL means_1min((SELECT straight(ids)), d.starts_at, d.ends_at) m
        WHERE zone <> 'Europe/Amsterdam' AND NOT d.has_whole_hours
        UNION ALL
        SELECT e.datastream_id, e.bucket, e.count, e.valid_count, e.mean, e.min, e.max, e.flags, d.starts_at, d.ends_at
        FROM earlier_mean e JOIN day d ON e.bucket >= d.starts_at AND e.bucket < d.ends_at
        WHERE zone = 'Europe/Amsterdam' AND e.width = '1 hour' AND e.datastream_id = ANY((SELECT straight(ids))::int[])
    ) AS p
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT o.datastream_id, d.starts_at, d.ends_at, count(*), count(valid_value(o.value, o.flags)),
           bearing(avg(sind(valid_value(o.value, o.flags))), avg(cosd(valid_value(o.value, o.flags)))), NULL, NULL,
           bit_or(quality_flags(o.value, o.flags))
    FROM day d JOIN observation o ON o.observed_at >= d.starts_at AND o.observed_at < d.ends_at
    WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
      AND o.observed_at >= since AND o.observed_at < until + interval '2 days'  -- chunks are chosen by these
    GROUP BY 1, 2, 3
$$;
