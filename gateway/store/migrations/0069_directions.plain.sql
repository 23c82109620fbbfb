-- Directions are averaged as directions, and none of them is the lowest or the highest; see 0068_bearings.sql.

CREATE OR REPLACE FUNCTION means_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch'), count(*), count(o.value), avg(o.value), min(o.value),
           max(o.value), bit_or(o.flags)
    FROM observation o
    WHERE o.datastream_id = ANY((SELECT straight(ids))::int[])
      AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
      AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    GROUP BY 1, 2
    UNION ALL
    SELECT o.datastream_id, date_bin(width, o.observed_at, 'epoch'), count(*), count(o.value),
           bearing(avg(sind(o.value)), avg(cosd(o.value))), NULL, NULL, bit_or(o.flags)
    FROM observation o
    WHERE o.datastream_id = ANY((SELECT turning(ids))::int[])
      AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
      AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    GROUP BY 1, 2
$$;
