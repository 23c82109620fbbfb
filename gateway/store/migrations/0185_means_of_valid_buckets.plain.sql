-- Most buckets hold valid readings alone, and their mean is then that of all readings: judging each reading four times
-- doubled the time of a day of minutes. Only a bucket with another reading is computed again from the judged ones.

CREATE OR REPLACE FUNCTION means_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT b.datastream_id, b.bucket, b.count,
           CASE WHEN b.all_valid THEN b.count ELSE v.count END, CASE WHEN b.all_valid THEN b.mean ELSE v.mean END,
           CASE WHEN b.all_valid THEN b.min ELSE v.min END, CASE WHEN b.all_valid THEN b.max ELSE v.max END,
           CASE WHEN b.all_valid THEN b.flags ELSE v.flags END
    FROM (
        -- valid with the flags of all readings together; NaN sorts above every number
        SELECT a.*, a.count = a.values AND valid_value(a.min, a.flags) IS NOT NULL AND valid_value(a.max, a.flags) IS NOT NULL
                    AS all_valid
        FROM (
            SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch') AS bucket, count(*) AS count,
                   count(o.value) AS values,
                   avg(valid_value(o.value, 0)) AS mean,  -- huge values, which the average cannot add up, are left out
                   min(o.value) AS min, max(o.value) AS max, bit_or(o.flags) AS flags
            FROM observation o
            WHERE o.datastream_id = ANY((SELECT straight(ids))::int[]) AND NOT is_undated(o.flags)
              AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
              AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
            GROUP BY 1, 2
        ) AS a
    ) AS b
    CROSS JOIN LATERAL (
        SELECT count(j.value) AS count, avg(j.value) AS mean, min(j.value) AS min, max(j.value) AS max, bit_or(j.flags) AS flags
        FROM (
            SELECT valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
            FROM observation o
            WHERE NOT b.all_valid AND o.datastream_id = b.datastream_id AND NOT is_undated(o.flags)
              AND o.observed_at >= b.bucket AND o.observed_at < b.bucket + width
        ) AS j
    ) AS v
    UNION ALL
    SELECT v.datastream_id, date_bin(width, v.observed_at, 'epoch'), count(*), count(v.value),
           bearing(avg(sind(v.value)), avg(cosd(v.value))), NULL, NULL, bit_or(v.flags)
    FROM (
        SELECT o.datastream_id, o.observed_at, valid_value(o.value, o.flags) AS value, quality_flags(o.value, o.flags) AS flags
        FROM observation o
        WHERE o.datastream_id = ANY((SELECT turning(ids))::int[]) AND NOT is_undated(o.flags)
          AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
          AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    ) AS v
    GROUP BY 1, 2
$$;
