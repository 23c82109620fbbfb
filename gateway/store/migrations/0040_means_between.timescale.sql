-- Means of some datastreams between two moments, from the continuous aggregates; see 0040_means_between.plain.sql.

CREATE FUNCTION means_1min(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1min m
    WHERE m.datastream_id = ANY(ids) AND m.bucket >= since AND m.bucket < until
$$;

CREATE FUNCTION means_1h(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1h m
    WHERE m.datastream_id = ANY(ids) AND m.bucket >= since AND m.bucket < until
$$;

CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT m.datastream_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max, m.flags
    FROM observation_1day m
    WHERE m.datastream_id = ANY(ids) AND m.bucket >= since AND m.bucket < until
$$;
