-- Means of levels on TimescaleDB; see 0301_averaging_rules.sql. As those of directions they are made from the readings: where
-- these were deleted there is no mean, rather than a wrong one.

ALTER FUNCTION means_1min(int[], timestamptz, timestamptz) RENAME TO linear_means_1min;
ALTER FUNCTION means_1h(int[], timestamptz, timestamptz) RENAME TO linear_means_1h;

CREATE FUNCTION means_1min(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM linear_means_1min(ids, since, until)
    UNION ALL
    SELECT * FROM levels_between('1 minute', (SELECT levelled(ids)), since, until)
$$;

CREATE FUNCTION means_1h(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM linear_means_1h(ids, since, until)
    UNION ALL
    SELECT * FROM levels_between('1 hour', (SELECT levelled(ids)), since, until)
$$;
