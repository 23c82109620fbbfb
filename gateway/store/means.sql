-- Filling TimescaleDB's means after a migration has made them anew. Run by `piekwacht migrate`; each can be run again.

-- name: show_stored_means_only
ALTER MATERIALIZED VIEW observation_1min SET (timescaledb.materialized_only = true);
ALTER MATERIALIZED VIEW observation_1h SET (timescaledb.materialized_only = true)

-- name: count_policies
SELECT count(*) FROM timescaledb_information.jobs j
JOIN timescaledb_information.continuous_aggregates a
  ON j.hypertable_name IN (a.view_name, a.materialization_hypertable_name)  -- which of the two depends on the version
WHERE j.proc_name = 'policy_refresh_continuous_aggregate' AND a.view_name = 'observation_1min'

-- name: add_policies
-- How far back a refresh looks: late data of up to 30 days (the longest backlog a node keeps) are picked up by themselves.
SELECT add_continuous_aggregate_policy('observation_1min', start_offset => INTERVAL '30 days',
                                       end_offset => INTERVAL '2 minutes', schedule_interval => INTERVAL '1 minute'),
       add_continuous_aggregate_policy('observation_1h', start_offset => INTERVAL '31 days',
                                       end_offset => INTERVAL '2 hours', schedule_interval => INTERVAL '10 minutes'),
       add_continuous_aggregate_policy('observation_1day', start_offset => INTERVAL '33 days',
                                       end_offset => INTERVAL '2 days', schedule_interval => INTERVAL '1 hour')
