-- Directions are averaged as directions, and none of them is the lowest or the highest; see 0068_bearings.sql. Their means are made
-- from the readings: where these have been forgotten there is no mean, rather than a wrong one. In the continuous aggregates
-- themselves `mean` of a direction stays a plain one.

CREATE FUNCTION directions_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, mean double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch'), bearing(avg(sind(o.value)), avg(cosd(o.value)))
    FROM observation o
    WHERE o.datastream_id = ANY(ids)
      AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
      AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    GROUP BY 1, 2
$$;

CREATE OR REPLACE FUNCTION means_1min(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1min m
    WHERE m.datastream_id = ANY((SELECT straight(ids))::int[]) AND m.bucket >= since AND m.bucket < until
    UNION ALL
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, d.mean, NULL, NULL, m.flags
    FROM observation_1min m
    LEFT JOIN directions_between('1 minute', (SELECT turning(ids)), since, until) d
           ON d.datastream_id = m.datastream_id AND d.bucket = m.bucket
    WHERE m.datastream_id = ANY((SELECT turning(ids))::int[]) AND m.bucket >= since AND m.bucket < until
$$;

CREATE OR REPLACE FUNCTION means_1h(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1h m
    WHERE m.datastream_id = ANY((SELECT straight(ids))::int[]) AND m.bucket >= since AND m.bucket < until
    UNION ALL
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, d.mean, NULL, NULL, m.flags
    FROM observation_1h m
    LEFT JOIN directions_between('1 hour', (SELECT turning(ids)), since, until) d
           ON d.datastream_id = m.datastream_id AND d.bucket = m.bucket
    WHERE m.datastream_id = ANY((SELECT turning(ids))::int[]) AND m.bucket >= since AND m.bucket < until
$$;

CREATE OR REPLACE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1day m
    WHERE m.datastream_id = ANY((SELECT straight(ids))::int[]) AND m.bucket >= since AND m.bucket < until
    UNION ALL
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, d.mean, NULL, NULL, m.flags
    FROM observation_1day m
    LEFT JOIN directions_between('1 day', (SELECT turning(ids)), since, until) d
           ON d.datastream_id = m.datastream_id AND d.bucket = m.bucket
    WHERE m.datastream_id = ANY((SELECT turning(ids))::int[]) AND m.bucket >= since AND m.bucket < until
$$;
