-- Chunks are removed by `piekwacht upkeep` alone, which records what was in them. TimescaleDB's own policies record nothing.

SELECT remove_retention_policy(relation, if_exists => true)
FROM unnest(ARRAY['observation', 'observation_1min', 'observation_1h', 'observation_1day']::regclass[]) AS relation;

CREATE FUNCTION remove_chunk(table_name text, chunk text, why text) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    stamp text := CASE table_name WHEN 'observation' THEN 'observed_at' ELSE 'bucket' END;
    what  text := CASE table_name WHEN 'observation' THEN 'observations'
                  ELSE replace(table_name, 'observation_', 'means-') END;
    since timestamptz;
    until timestamptz;
    removed bigint;
BEGIN
    SELECT c.range_start, c.range_end INTO STRICT since, until
    FROM timescaledb_information.chunks c WHERE format('%I.%I', c.chunk_schema, c.chunk_name) = chunk;
    -- nobody adds a late row between the count and the removal
    EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', chunk::regclass);
    EXECUTE format(
        'WITH counted AS (
             SELECT datastream_id, min(%2$I) AS first_at, max(%2$I) AS last_at, count(*) AS count FROM %1$s GROUP BY 1
         ), recorded AS (
             INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
             SELECT coalesce(s.area_id, ''*''), $1, $2, min(c.first_at), max(c.last_at), sum(c.count)
             FROM counted c LEFT JOIN datastream d ON d.id = c.datastream_id LEFT JOIN station s ON s.id = d.station_id
             GROUP BY 1
             RETURNING count
         )
         SELECT coalesce(sum(count), 0) FROM recorded', chunk::regclass, stamp)
    INTO removed USING what, why;
    IF ARRAY[chunk] <> ARRAY(SELECT drop_chunks(table_name::regclass, older_than => until, newer_than => since)) THEN
        RAISE EXCEPTION 'the chunk % of % cannot be removed alone', chunk, table_name;
    END IF;
    RETURN removed;
END $$;
COMMENT ON FUNCTION remove_chunk IS 'removes one chunk of readings or of means and records what was in it; returns the number of rows';
