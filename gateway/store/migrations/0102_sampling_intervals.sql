-- How often a datastream is read, as its readings show it. Nothing on the wire says it, and an operator may change it at
-- any time. Per window of `width` it is the median step between the last 61 readings before the window's end, no more
-- than a day back; NULL for fewer than three steps. A reading without a valid value counts: it shows the rhythm as well.
-- Rounded to tenths of a second (hundredths below a second), for stamps are some milliseconds early or late.

CREATE FUNCTION sampling_intervals(ids int[], since timestamptz, until timestamptz, width interval)
RETURNS TABLE (datastream_id int, starts_at timestamptz, seconds double precision)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT d.id, w.starts_at, round(m.step::numeric, CASE WHEN m.step < 0.95 THEN 2 ELSE 1 END)::double precision
    FROM unnest(ids) AS d(id)
    CROSS JOIN generate_series(date_bin(width, since, 'epoch'), until, width) AS w(starts_at)
    CROSS JOIN LATERAL (
        SELECT CASE WHEN count(s.step) >= 3 THEN percentile_disc(0.5) WITHIN GROUP (ORDER BY s.step) END AS step
        FROM (
            SELECT extract(epoch FROM r.observed_at - lag(r.observed_at) OVER (ORDER BY r.observed_at))::double precision AS step
            FROM (
                SELECT o.observed_at FROM observation o
                WHERE o.datastream_id = d.id AND NOT is_undated(o.flags)
                  AND o.observed_at < w.starts_at + width AND o.observed_at >= w.starts_at + width - interval '1 day'
                ORDER BY o.observed_at DESC LIMIT 61
            ) AS r
        ) AS s
        WHERE s.step > 0
    ) AS m
    WHERE m.step > 0
$$;

CREATE FUNCTION expected_count(starts_at timestamptz, ends_at timestamptz, seconds double precision) RETURNS bigint
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN seconds > 0 THEN greatest(1, round(extract(epoch FROM ends_at - starts_at) / seconds::numeric))::bigint END
$$;
COMMENT ON FUNCTION expected_count IS 'how many readings a complete bucket has; NULL if the interval is unknown';
