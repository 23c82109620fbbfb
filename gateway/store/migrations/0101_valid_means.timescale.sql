-- Means of valid values only, on TimescaleDB: new continuous aggregates in the place of the old ones. An undated reading is in no
-- bucket. A bucket without a valid value has no mean, and its flags say why. `1day` is the legal day of the Netherlands.
--
-- The new aggregates start empty: until `piekwacht migrate` has filled them, from the oldest day to the newest, what is
-- not filled yet is computed from the readings when it is read. Every answer is complete meanwhile. The policies that
-- keep them up to date are added after that (gateway/store/means.py), for they would mark what is older as filled.
-- Means of readings that were deleted before this migration cannot be computed again: they move to `earlier_mean`, and
-- of these a bucket with an excluded flag has no mean any more, because it may count a value that must not be counted.

CREATE FUNCTION next_midnight(at timestamptz, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (date_trunc('day', at AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone
$$;
COMMENT ON FUNCTION next_midnight IS 'when the legal day of this moment ends';

CREATE TABLE earlier_mean (
    width         interval NOT NULL,
    datastream_id int NOT NULL,
    bucket        timestamptz NOT NULL,
    count         bigint NOT NULL,
    valid_count   bigint NOT NULL,
    mean          double precision,
    min           double precision,
    max           double precision,
    flags         int NOT NULL,
    PRIMARY KEY (width, datastream_id, bucket)
);

INSERT INTO earlier_mean
SELECT m.width, m.datastream_id, m.bucket, m.count, CASE WHEN is_excluded(m.flags) THEN 0 ELSE m.valid_count END,
       valid_value(m.mean, m.flags), valid_value(m.min, m.flags), valid_value(m.max, m.flags), m.flags
FROM (
    SELECT interval '1 minute' AS width, datastream_id, bucket, count, valid_count, mean, min, max, flags FROM observation_1min
    UNION ALL
    SELECT interval '1 hour', datastream_id, bucket, count, valid_count, mean, min, max, flags FROM observation_1h
) AS m
WHERE m.bucket < (SELECT date_trunc('hour', min(observed_at)) FROM observation);

DROP FUNCTION means_1day(int[], timestamptz, timestamptz);
DROP MATERIALIZED VIEW observation_1day;
DROP MATERIALIZED VIEW observation_1h;
DROP MATERIALIZED VIEW observation_1min;

CREATE MATERIALIZED VIEW observation_1min WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 minute', observed_at)                                                            AS bucket,
       count(*)                                                                                        AS count,
       count(valid_value(value, flags))                                                                AS valid_count,
       avg(valid_value(value, flags))                                                                  AS mean,
       min(valid_value(value, flags))                                                                  AS min,
       max(valid_value(value, flags))                                                                  AS max,
       first(valid_value(value, flags), observed_at) FILTER (WHERE valid_value(value, flags) IS NOT NULL) AS first,
       last(valid_value(value, flags), observed_at) FILTER (WHERE valid_value(value, flags) IS NOT NULL)  AS last,
       bit_or(quality_flags(value, flags))                                                             AS flags
FROM observation
WHERE NOT is_undated(flags)
GROUP BY datastream_id, time_bucket('1 minute', observed_at)
WITH NO DATA;

CREATE MATERIALIZED VIEW observation_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 hour', bucket)                               AS bucket,
       sum(count)::bigint                                          AS count,
       sum(valid_count)::bigint                                    AS valid_count,
       sum(mean * valid_count) / nullif(sum(valid_count), 0)       AS mean,
       min(min)                                                    AS min,
       max(max)                                                    AS max,
       first(first, bucket) FILTER (WHERE first IS NOT NULL)       AS first,
       last(last, bucket) FILTER (WHERE last IS NOT NULL)          AS last,
       bit_or(flags)                                               AS flags
FROM observation_1min
GROUP BY datastream_id, time_bucket('1 hour', bucket)
WITH NO DATA;

CREATE MATERIALIZED VIEW observation_1day WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 day', bucket, 'Europe/Amsterdam')            AS bucket,
       sum(count)::bigint                                          AS count,
       sum(valid_count)::bigint                                    AS valid_count,
       sum(mean * valid_count) / nullif(sum(valid_count), 0)       AS mean,
       min(min)                                                    AS min,
       max(max)                                                    AS max,
       first(first, bucket) FILTER (WHERE first IS NOT NULL)       AS first,
       last(last, bucket) FILTER (WHERE last IS NOT NULL)          AS last,
       bit_or(flags)                                               AS flags
FROM observation_1h
GROUP BY datastream_id, time_bucket('1 day', bucket, 'Europe/Amsterdam')
WITH NO DATA;

CREATE OR REPLACE FUNCTION directions_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, mean double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch'),
           bearing(avg(sind(valid_value(o.value, o.flags))), avg(cosd(valid_value(o.value, o.flags))))
    FROM observation o
    WHERE o.datastream_id = ANY(ids) AND NOT is_undated(o.flags)
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
    UNION ALL
    SELECT e.datastream_id, e.bucket, e.count, e.valid_count, e.mean, e.min, e.max, e.flags
    FROM earlier_mean e
    WHERE e.width = '1 minute' AND e.datastream_id = ANY((SELECT straight(ids))::int[])
      AND e.bucket >= since AND e.bucket < until
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
    UNION ALL
    SELECT e.datastream_id, e.bucket, e.count, e.valid_count, e.mean, e.min, e.max, e.flags
    FROM earlier_mean e
    WHERE e.width = '1 hour' AND e.datastream_id = ANY((SELECT straight(ids))::int[])
      AND e.bucket >= since AND e.bucket < until
$$;

-- The legal days of the Netherlands come from their aggregate; those of another zone, and earlier ones, from hourly means.
CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, next_midnight(m.bucket, zone), m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1day m
    WHERE zone = 'Europe/Amsterdam' AND m.datastream_id = ANY((SELECT straight(ids))::int[])
      AND m.bucket >= since AND m.bucket < until
    UNION ALL
    SELECT d.datastream_id, d.bucket, next_midnight(d.bucket, zone), d.count, d.valid_count, d.mean, d.min, d.max, d.flags
    FROM (
        SELECT h.datastream_id, date_trunc('day', h.bucket, zone) AS bucket, sum(h.count)::bigint AS count,
               sum(h.valid_count)::bigint AS valid_count, sum(h.mean * h.valid_count) / nullif(sum(h.valid_count), 0) AS mean,
               min(h.min) AS min, max(h.max) AS max, bit_or(h.flags) AS flags
        FROM means_1h((SELECT straight(ids)), date_trunc('day', since, zone), next_midnight(until, zone)) h
        WHERE zone <> 'Europe/Amsterdam'
        GROUP BY 1, 2
        UNION ALL
        SELECT e.datastream_id, date_trunc('day', e.bucket, zone), sum(e.count)::bigint, sum(e.valid_count)::bigint,
               sum(e.mean * e.valid_count) / nullif(sum(e.valid_count), 0), min(e.min), max(e.max), bit_or(e.flags)
        FROM earlier_mean e
        WHERE zone = 'Europe/Amsterdam' AND e.width = '1 hour' AND e.datastream_id = ANY((SELECT straight(ids))::int[])
          AND e.bucket >= date_trunc('day', since, zone) AND e.bucket < next_midnight(until, zone)
        GROUP BY 1, 2
        UNION ALL
        SELECT o.datastream_id, date_trunc('day', o.observed_at, zone), count(*), count(valid_value(o.value, o.flags)),
               bearing(avg(sind(valid_value(o.value, o.flags))), avg(cosd(valid_value(o.value, o.flags)))), NULL, NULL,
               bit_or(quality_flags(o.value, o.flags))
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= date_trunc('day', since, zone) AND o.observed_at < next_midnight(until, zone)
        GROUP BY 1, 2
    ) AS d
    WHERE d.bucket >= since AND d.bucket < until
$$;
