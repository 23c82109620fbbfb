-- The mean of directions is a direction: of 359 and 1 it is 0, not 180, and of 0 and 180 there is none.

CREATE FUNCTION bearing(east double precision, north double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN east * east + north * north < 1e-12 THEN NULL
                WHEN atan2d(east, north) < 0 THEN atan2d(east, north) + 360
                ELSE atan2d(east, north) END
$$;

CREATE FUNCTION turning(ids int[]) RETURNS int[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(d.id), '{}')
    FROM datastream d JOIN observed_property p ON p.id = d.property_id
    WHERE d.id = ANY(ids) AND p.unit = 'deg'
$$;
COMMENT ON FUNCTION turning IS 'those of these datastreams whose values are directions';

CREATE FUNCTION straight(ids int[]) RETURNS int[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(i), '{}') FROM unnest(ids) AS i WHERE i <> ALL((SELECT turning(ids))::int[])
$$;
COMMENT ON FUNCTION straight IS 'the others';
