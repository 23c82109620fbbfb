-- Legal days of any time zone: the first of two midnights, and offsets that are no whole hours. On plain PostgreSQL.

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

CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.datastream_id, d.starts_at, d.ends_at, count(*), count(v.value), avg(v.value), min(v.value), max(v.value),
           bit_or(v.flags)
    FROM legal_days(since, until, zone) d
    CROSS JOIN LATERAL (
        SELECT o.datastream_id, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT straight(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= d.starts_at AND o.observed_at < d.ends_at
    ) AS v
    GROUP BY 1, 2, 3
    UNION ALL
    SELECT v.datastream_id, d.starts_at, d.ends_at, count(*), count(v.value),
           bearing(avg(sind(v.value)), avg(cosd(v.value))), NULL, NULL, bit_or(v.flags)
    FROM legal_days(since, until, zone) d
    CROSS JOIN LATERAL (
        SELECT o.datastream_id, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= d.starts_at AND o.observed_at < d.ends_at
    ) AS v
    GROUP BY 1, 2, 3
$$;
