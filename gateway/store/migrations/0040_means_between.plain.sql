-- Means of some datastreams between two moments, read from the index: a view cannot hand the period down to the rows
-- below its GROUP BY. A bucket counts where its start is at or after `since` and before `until`.
-- TimescaleDB has functions of the same names that read the continuous aggregates (0040_means_between.timescale.sql).

CREATE FUNCTION means_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch'), count(*), count(o.value), avg(o.value), min(o.value),
           max(o.value), bit_or(o.flags)
    FROM observation o
    WHERE o.datastream_id = ANY(ids)
      AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
      AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    GROUP BY 1, 2
$$;

CREATE FUNCTION means_1min(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT * FROM means_between('1 minute', ids, since, until) $$;

CREATE FUNCTION means_1h(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT * FROM means_between('1 hour', ids, since, until) $$;

CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$ SELECT * FROM means_between('1 day', ids, since, until) $$;
