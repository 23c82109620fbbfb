-- Leaves that were taken back from the published log after an older backup was restored. docs/adr/0131-recovery-of-the-log.md

CREATE TABLE log_recovered_batch (        -- leaves of batches that were not in the database when the log was recovered
    area_id     text NOT NULL,
    number      bigint NOT NULL,
    node_id     text NOT NULL,
    incarnation text NOT NULL,
    seq         bigint NOT NULL,
    sha256      bytea NOT NULL,
    PRIMARY KEY (area_id, number)
);
CREATE UNIQUE INDEX log_recovered_batch_key ON log_recovered_batch (node_id, incarnation, seq);
COMMENT ON TABLE log_recovered_batch IS 'a node may deliver such a batch again: it has this leaf then, and gets no second one';
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON log_recovered_batch
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
