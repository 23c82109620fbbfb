-- What operators want nodes to be: every version that was ever sent, the highest of a node being in force.

CREATE TABLE node_desired (
    node_id     text NOT NULL REFERENCES node,
    version     int NOT NULL,
    toml        text NOT NULL,            -- [batch] and [[sensor]]; empty: as the node's card has it
    certificate text NOT NULL,            -- PEM; empty: as the node's card has it
    desired_at  timestamptz NOT NULL DEFAULT now(),
    desired_by  text NOT NULL,            -- the operator's account on the machine where it was asked
    PRIMARY KEY (node_id, version)
);

CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON node_desired
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();

-- A node's stamps before its clock was set: resolved by any batch of the same boot that was made after it.

CREATE TABLE clock_anchor (               -- the first trusted relation of wall clock and time since boot, a boot
    node_id   text NOT NULL,
    boot      text NOT NULL,
    offset_ms bigint NOT NULL,            -- wall time minus time since boot, ms
    PRIMARY KEY (node_id, boot)
);

CREATE TABLE clock_suspect (              -- batches stamped by a clock that was not set; `shift_ms` once an anchor is known
    batch_id  bigint PRIMARY KEY,
    node_id   text NOT NULL,
    boot      text NOT NULL,
    offset_ms bigint NOT NULL,
    shift_ms  bigint                      -- add to observed_at; NULL: nothing of that boot was ever trusted
);
CREATE INDEX clock_suspect_open ON clock_suspect (node_id, boot) WHERE shift_ms IS NULL;

CREATE VIEW observation_resolved AS       -- the node's own stamp beside what it must have been; equal where its clock was set
SELECT o.datastream_id, o.observed_at,
       o.observed_at + coalesce(s.shift_ms, 0) * interval '1 millisecond' AS resolved_at,
       o.value, o.flags, o.batch_id
FROM observation o LEFT JOIN clock_suspect s USING (batch_id);
