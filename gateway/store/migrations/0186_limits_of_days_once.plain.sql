-- The means of legal days compute the limits of the days once. The planner inlined legal_days, and computed two local
-- midnights for each pair of a reading and a day: a year of a station with 1,000 readings took 10 s, and its page failed.

CREATE OR REPLACE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    WITH d AS MATERIALIZED (SELECT * FROM legal_days(since, until, zone))
    SELECT v.datastream_id, d.starts_at, d.ends_at, count(*), count(v.value), avg(v.value), min(v.value), max(v.value),
           bit_or(v.flags)
    FROM d
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
    FROM d
    CROSS JOIN LATERAL (
        SELECT o.datastream_id, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= d.starts_at AND o.observed_at < d.ends_at
    ) AS v
    GROUP BY 1, 2, 3
$$;
