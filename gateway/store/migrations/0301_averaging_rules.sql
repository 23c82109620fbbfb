-- Properties whose values are not averaged by adding them up: levels in dB by their energy, velocities of vibration by their
-- squares. A mean is made from the readings; minimum and maximum are those of the values. docs/adr/0204-averaging-rules.md

ALTER TABLE observed_property ADD COLUMN averaging text NOT NULL DEFAULT 'arithmetic'
    CHECK (averaging IN ('arithmetic', 'energy', 'quadratic'));
COMMENT ON COLUMN observed_property.averaging IS 'how values are averaged, see gateway.model.averaging';
UPDATE observed_property SET averaging = 'energy', severity = coalesce(severity, '{10, 15, 20, 30}') WHERE id = 'sound_laeq';

CREATE FUNCTION levelled(ids int[]) RETURNS int[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(d.id), '{}')
    FROM datastream d JOIN observed_property p ON p.id = d.property_id
    WHERE d.id = ANY(ids) AND p.averaging <> 'arithmetic'
$$;
COMMENT ON FUNCTION levelled IS 'those of these datastreams with a rule of averaging of their own';

CREATE OR REPLACE FUNCTION straight(ids int[]) RETURNS int[]
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(i), '{}') FROM unnest(ids) AS i
    WHERE i <> ALL((SELECT turning(ids))::int[]) AND i <> ALL((SELECT levelled(ids))::int[])
$$;
COMMENT ON FUNCTION straight IS 'those of these datastreams that are averaged by adding up';

-- A level that no sensor has would overflow; it has no power, and so no part in the mean.
CREATE FUNCTION power_of(value double precision, rule text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE rule WHEN 'energy' THEN CASE WHEN value BETWEEN -300 AND 300 THEN 10 ^ (value / 10) END
                     WHEN 'quadratic' THEN value * value ELSE value END
$$;

CREATE FUNCTION level_of(power double precision, rule text) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE rule WHEN 'energy' THEN 10 * log(power) WHEN 'quadratic' THEN sqrt(power) ELSE power END
$$;

CREATE FUNCTION levels_between(width interval, ids int[], since timestamptz, until timestamptz)
RETURNS TABLE (datastream_id int, bucket timestamptz, count bigint, valid_count bigint, mean double precision,
               min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.datastream_id, date_bin(width, v.observed_at, 'epoch'), count(*), count(v.value),
           level_of(avg(power_of(v.value, v.averaging)), min(v.averaging)), min(v.value), max(v.value), bit_or(v.flags)
    FROM (
        SELECT o.datastream_id, o.observed_at, p.averaging, valid_value(o.value, o.flags) AS value,
               quality_flags(o.value, o.flags) AS flags
        FROM datastream d JOIN observed_property p ON p.id = d.property_id JOIN observation o ON o.datastream_id = d.id
        WHERE d.id = ANY(ids) AND NOT is_undated(o.flags)
          AND o.observed_at >= date_bin(width, since + width - interval '1 microsecond', 'epoch')
          AND o.observed_at < date_bin(width, until + width - interval '1 microsecond', 'epoch')
    ) AS v
    GROUP BY 1, 2
$$;

CREATE FUNCTION levels_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT v.datastream_id, v.starts_at, v.ends_at, count(*), count(v.value),
           level_of(avg(power_of(v.value, v.averaging)), min(v.averaging)), min(v.value), max(v.value), bit_or(v.flags)
    FROM (
        SELECT o.datastream_id, l.starts_at, l.ends_at, p.averaging, valid_value(o.value, o.flags) AS value,
               quality_flags(o.value, o.flags) AS flags
        FROM legal_days(since, until, zone) l
        CROSS JOIN datastream d JOIN observed_property p ON p.id = d.property_id
        JOIN observation o ON o.datastream_id = d.id AND o.observed_at >= l.starts_at AND o.observed_at < l.ends_at
        WHERE d.id = ANY(ids) AND NOT is_undated(o.flags)
    ) AS v
    GROUP BY 1, 2, 3
$$;

-- Each function of means gets the levels beside what it had; `straight` leaves them out of the latter.

ALTER FUNCTION means_1day(int[], timestamptz, timestamptz, text) RENAME TO linear_means_1day;

CREATE FUNCTION means_1day(ids int[], since timestamptz, until timestamptz, zone text)
RETURNS TABLE (datastream_id int, bucket timestamptz, ends_at timestamptz, count bigint, valid_count bigint,
               mean double precision, min double precision, max double precision, flags int)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT * FROM linear_means_1day(ids, since, until, zone)
    UNION ALL
    SELECT * FROM levels_1day((SELECT levelled(ids)), since, until, zone)
$$;
