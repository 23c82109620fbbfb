-- TimescaleDB: observations in chunks of a day, compressed by datastream; means as continuous aggregates, each made
-- from the finer one, with what is newer than their last refresh added when they are read.
--
-- A day a chunk: the newest chunk and its index should fit in memory (100 nodes of 8 properties at 1 Hz are 69 million rows,
-- some 6 GB, a day; set a shorter interval for more), and retention and compression work on whole days.

CREATE EXTENSION IF NOT EXISTS timescaledb;

SELECT create_hypertable('observation', by_range('observed_at', INTERVAL '1 day'), migrate_data => true);

ALTER TABLE observation SET (
    timescaledb.enable_columnstore,
    timescaledb.segmentby = 'datastream_id',
    timescaledb.orderby = 'observed_at DESC'
);

CREATE MATERIALIZED VIEW observation_1min WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 minute', observed_at) AS bucket,
       count(*)                             AS count,
       count(value)                         AS valid_count,
       avg(value)                           AS mean,
       min(value)                           AS min,
       max(value)                           AS max,
       first(value, observed_at)            AS first,
       last(value, observed_at)             AS last,
       bit_or(flags)                        AS flags
FROM observation
GROUP BY datastream_id, time_bucket('1 minute', observed_at)
WITH NO DATA;

CREATE MATERIALIZED VIEW observation_1h WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 hour', bucket)                              AS bucket,
       sum(count)::bigint                                          AS count,
       sum(valid_count)::bigint                                    AS valid_count,
       sum(mean * valid_count) / nullif(sum(valid_count), 0)       AS mean,
       min(min)                                                    AS min,
       max(max)                                                    AS max,
       first(first, bucket)                                        AS first,
       last(last, bucket)                                          AS last,
       bit_or(flags)                                               AS flags
FROM observation_1min
GROUP BY datastream_id, time_bucket('1 hour', bucket)
WITH NO DATA;

CREATE MATERIALIZED VIEW observation_1day WITH (timescaledb.continuous, timescaledb.materialized_only = false) AS
SELECT datastream_id,
       time_bucket('1 day', bucket)                              AS bucket,
       sum(count)::bigint                                          AS count,
       sum(valid_count)::bigint                                    AS valid_count,
       sum(mean * valid_count) / nullif(sum(valid_count), 0)       AS mean,
       min(min)                                                    AS min,
       max(max)                                                    AS max,
       first(first, bucket)                                        AS first,
       last(last, bucket)                                          AS last,
       bit_or(flags)                                               AS flags
FROM observation_1h
GROUP BY datastream_id, time_bucket('1 day', bucket)
WITH NO DATA;

-- How far back a refresh looks: late data of up to 30 days (the longest backlog a node keeps) are picked up by themselves.
SELECT add_continuous_aggregate_policy('observation_1min', start_offset => INTERVAL '30 days',
                                       end_offset => INTERVAL '2 minutes', schedule_interval => INTERVAL '1 minute');
SELECT add_continuous_aggregate_policy('observation_1h', start_offset => INTERVAL '31 days',
                                       end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '10 minutes');
SELECT add_continuous_aggregate_policy('observation_1day', start_offset => INTERVAL '33 days',
                                       end_offset => INTERVAL '2 days', schedule_interval => INTERVAL '1 hour');
