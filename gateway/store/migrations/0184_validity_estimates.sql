-- Which values count, as in gateway/model/validity.py: made by build_functions of gateway/store/validity.py. The rule is
-- the same as before; PostgreSQL now expects most readings to be dated, and reads a day of minutes without a sort.

CREATE OR REPLACE FUNCTION is_excluded(flags int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT flags & 21039 <> 0
$$;

CREATE OR REPLACE FUNCTION is_undated(flags int) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT flags & 16384 = 16384
$$;

CREATE OR REPLACE FUNCTION valid_value(value double precision, flags int) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN flags & 21039 = 0 AND value BETWEEN -1000000000 AND 1000000000 THEN value END
$$;

CREATE OR REPLACE FUNCTION quality_flags(value double precision, flags int) RETURNS int
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN value IS NULL OR value BETWEEN -1000000000 AND 1000000000 THEN flags ELSE flags | 4 END
$$;
