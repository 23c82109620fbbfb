-- The values that a mail draws and averages: one that does not count has none here, and its flags say why. Undated
-- readings are left out: nobody knows whether they belong to the peak.

CREATE OR REPLACE FUNCTION alerting.curve(at_station text, of_property text, since timestamptz, until timestamptz)
RETURNS TABLE (at timestamptz, value double precision, flags int) LANGUAGE sql STABLE AS $$
    -- where several sensors of a station measure the same, the one that saw the most
    WITH mine AS (
        SELECT o.datastream_id, o.observed_at, public.valid_value(o.value, o.flags) AS value,
               public.quality_flags(o.value, o.flags) AS flags
        FROM public.observation o JOIN public.datastream d ON d.id = o.datastream_id
        WHERE d.station_id = at_station AND d.property_id = of_property AND o.observed_at BETWEEN since AND until
          AND NOT public.is_undated(o.flags)
    )
    SELECT observed_at, value, flags FROM mine
    WHERE datastream_id = coalesce(
        (SELECT datastream_id FROM mine WHERE value IS NOT NULL ORDER BY value DESC LIMIT 1),
        (SELECT min(datastream_id) FROM mine))
    ORDER BY observed_at
$$;
