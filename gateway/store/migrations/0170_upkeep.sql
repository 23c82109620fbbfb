-- Upkeep of the database: which works are wanted, when `piekwacht upkeep run` last did them, and what was deleted.

CREATE TABLE upkeep_work (
    work         text PRIMARY KEY,
    wanted_since timestamptz NOT NULL DEFAULT now(),
    succeeded_at timestamptz,
    failed_at    timestamptz,
    error        text
);
COMMENT ON TABLE upkeep_work IS 'works that [retention] and the server call for, each with the last outcome of `piekwacht upkeep run`';

CREATE TABLE storage_limit (
    relation       text PRIMARY KEY,
    compress_after interval,
    drop_after     interval,
    dropped_before timestamptz,
    changed_at     timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE storage_limit IS 'TimescaleDB: how long a table is stored, as [retention] said when it was last applied';
COMMENT ON COLUMN storage_limit.dropped_before IS
    'rows older than this may have been deleted at some time: means of them must never be computed again';
