-- Nodes of which two ran at once: two cards with the same keys. The operator sees them in `piekwacht node list` and
-- `piekwacht doctor`. A row stays; last_at tells whether it still goes on.

CREATE TABLE node_copy (
    node_id      text PRIMARY KEY,
    first_at     timestamptz NOT NULL,
    last_at      timestamptz NOT NULL,
    conflicts    bigint NOT NULL,          -- batches whose number held other bytes
    incarnations text[] NOT NULL           -- that sent at once, the last time
);
