-- Means of valid values only, on plain PostgreSQL: computed when they are read. An undated reading is in no bucket. A bucket without
-- a valid value has no mean, and its flags say why. `1day` is the legal day of a time zone, of 23, 24 or 25 hours.
-- TimescaleDB has functions and aggregates of the same names (0101_valid_means.timescale.sql).

CREATE FUNCTION next_midnight(at timestamptz, zone text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (date_trunc('day', at AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone
$$;
COMMENT ON FUNCTION next_midnight IS 'when the legal day of this moment ends';

CREATE OR REPLACE VIEW observation_1min AS
SELECT datastream_id,
       date_bin('1 minute', observed_at, 'epoch')                                             AS bucket,
       count(*)                                                                               AS count,
       count(valid)                                                                           AS valid_count,
       avg(valid)                                                                             AS mean,
       min(valid)                                                                             AS min,
       max(valid)                                                                             AS max,
       (array_agg(valid ORDER BY observed_at, batch_id) FILTER (WHERE valid IS NOT NULL))[1]  AS first,
       (array_agg(valid ORDER BY observed_at DESC, batch_id DESC) FILTER (WHERE valid IS NOT NULL))[1] AS last,
       bit_or(quality)                                                                        AS flags
FROM (SELECT o.*, valid_value(value, flags) AS valid, quality_flags(value, flags) AS quality
      FROM observation o WHERE NOT is_undated(flags)) AS o
GROUP BY datastream_id, date_bin('1 minute', observed_at, 'epoch');

CREATE OR REPLACE VIEW observation_1h AS
SELECT datastream_id,
       date_bin('1 hour', observed_at, 'epoch')                                               AS bucket,
       count(*)                                                                               AS count,
       count(valid)                                                                           AS valid_count,
       avg(valid)                                                                             AS mean,
       min(valid)                                                                             AS min,
       max(valid)                                                                             AS max,
       (array_agg(valid ORDER BY observed_at, batch_id) FILTER (WHERE valid IS NOT NULL))[1]  AS first,
       (array_agg(valid ORDER BY observed_at DESC, batch_id DESC) FILTER (WHERE valid IS NOT NULL))[1] AS last,
       bit_or(quality)                                                                        AS flags
FROM (SELECT o.*, valid_value(value, flags) AS valid, quality_flags(value, flags) AS quality
      FROM observation o WHERE NOT is_undated(flags)) AS o
GROUP BY datastream_id, date_bin('1 hour', observed_at, 'epoch');

CREATE OR REPLACE VIEW observation_1day AS
SELECT datastream_id,
       date_trunc('day', observed_at, 'Europe/Amsterdam')                                     AS bucket,
       count(*)                                                                               AS count,
       count(valid)                                                                           AS valid_count,
       avg(valid)                                                                             AS mean,
       min(valid)                                                                             AS min,
       max(valid)                                                                             AS max,
       (array_agg(valid ORDER BY observed_at, batch_id) FILTER (WHERE valid IS NOT NULL))[1]  AS first,
       (array_agg(valid ORDER BY observed_at DESC, batch_id DESC) FILTER (WHERE valid IS NOT NULL))[1] AS last,
       bit_or(quality)                                                                        AS flags
FROM (SELECT o.*, valid_value(value, flags) AS valid, quality_flags(value, flags) AS quality
      FROM observation o WHERE NOT is_undated(flags)) AS o
GROUP BY datastream_id, date_trunc('day', observed_at, 'Europe/Amsterdam');

CREATE OR REPLACE FUNCTION means_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.datastream_id, date_bin(width, v.observed_at, 'epoch'), count(*), count(v.value), avg(v.value), min(v.value),
           max(v.value), bit_or(v.flags)
    FROM (
        SELECT o.datastream_id, o.observed_at, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT straight(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
          AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    ) AS v
    GROUP BY 1, 2
    UNION ALL
    SELECT v.datastream_id, date_bin(width, v.observed_at, 'epoch'), count(*), count(v.value), bearing(avg(sind(v.value)), avg(cosd(v.value))), NULL, NULL, bit_or(v.flags)
    FROM (
        SELECT o.datastream_id, o.observed_at, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
          AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    ) AS v
    GROUP BY 1, 2
$$;

DROP FUNCTION means_1day(int[], timestamptz, timestamptz);

CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT d.datastream_id, d.bucket, next_midnight(d.bucket, zone), d.count, d.valid_count, d.mean, d.min, d.max, d.flags
    FROM (
        SELECT v.datastream_id, date_trunc('day', v.observed_at, zone), count(*), count(v.value), avg(v.value), min(v.value),
               max(v.value), bit_or(v.flags)
        FROM (
            SELECT o.datastream_id, o.observed_at, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
            FROM observation o
            WHERE o.datastream_id = ANY((SELECT straight(ids))::int[]) AND NOT is_undated(o.flags)
              AND o.observed_at >= date_trunc('day', since, zone)
              AND o.observed_at < next_midnight(until, zone)
        ) AS v
        GROUP BY 1, 2
        UNION ALL
        SELECT v.datastream_id, date_trunc('day', v.observed_at, zone), count(*), count(v.value), bearing(avg(sind(v.value)), avg(cosd(v.value))), NULL, NULL, bit_or(v.flags)
        FROM (
            SELECT o.datastream_id, o.observed_at, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
            FROM observation o
            WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
              AND o.observed_at >= date_trunc('day', since, zone)
              AND o.observed_at < next_midnight(until, zone)
        ) AS v
        GROUP BY 1, 2
    ) AS d (datastream_id, bucket, count, valid_count, mean, min, max, flags)
    WHERE d.bucket >= since AND d.bucket < until
$$;
