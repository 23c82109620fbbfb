-- Means of levels on plain PostgreSQL; see 0301_averaging_rules.sql.

ALTER FUNCTION means_between(interval, int[], timestamptz, timestamptz) RENAME TO linear_means_between;

CREATE FUNCTION means_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM linear_means_between(width, ids, since, until)
    UNION ALL
    SELECT * FROM levels_between(width, (SELECT levelled(ids)), since, until)
$$;
