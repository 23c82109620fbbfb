-- The spool: every batch that the gateway has not yet said it holds.

-- name: create_schema
CREATE TABLE IF NOT EXISTS spool (
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    node        TEXT    NOT NULL,
    incarnation TEXT    NOT NULL,
    next_seq    INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS batch (
    seq         INTEGER PRIMARY KEY,  -- goes on counting when the incarnation changes
    incarnation TEXT    NOT NULL,
    first_at    INTEGER NOT NULL,     -- ms UTC as stamped
    last_at     INTEGER NOT NULL,
    readings    INTEGER NOT NULL,
    lost        INTEGER NOT NULL,     -- readings whose loss this batch records; 0 for all but gap records
    payload     BLOB    NOT NULL      -- the signed note, as it will be sent, for ever the same bytes
) STRICT;

CREATE TABLE IF NOT EXISTS held (        -- committed and not yet numbered: there is no broker to send it to
    id          INTEGER PRIMARY KEY,
    first_at    INTEGER NOT NULL,
    readings    INTEGER NOT NULL,
    columns     BLOB    NOT NULL      -- a ReadingBatch of which incarnation and number do not count
) STRICT;

CREATE TABLE IF NOT EXISTS hardware (    -- on which the spool was last opened
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    identity    TEXT    NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS renewal (     -- the last change of the incarnation
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    renewed_at  INTEGER NOT NULL,        -- ms UTC as the node believed
    former      TEXT    NOT NULL,
    reason      TEXT    NOT NULL
) STRICT;

-- name: insert_held
INSERT INTO held (first_at, readings, columns) VALUES (:first_at, :readings, :columns)

-- name: select_held
SELECT columns FROM held ORDER BY id

-- name: delete_held
DELETE FROM held

-- name: insert_identity
INSERT INTO spool (singleton, node, incarnation, next_seq) VALUES (1, :node, :incarnation, 1) ON CONFLICT DO NOTHING

-- name: select_identity
SELECT node, incarnation, next_seq FROM spool

-- name: update_next_seq
UPDATE spool SET next_seq = :next_seq

-- name: insert_batch
INSERT INTO batch (seq, incarnation, first_at, last_at, readings, lost, payload)
VALUES (:seq, :incarnation, :first_at, :last_at, :readings, :lost, :payload)

-- name: select_after
SELECT seq, payload FROM batch WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT 1

-- name: select_by_seq
SELECT seq, payload FROM batch WHERE seq = :seq

-- name: select_by_key
SELECT seq, payload FROM batch WHERE seq = :seq AND incarnation = :incarnation

-- name: delete_batch
DELETE FROM batch WHERE seq = :seq

-- name: update_key
UPDATE batch SET incarnation = :incarnation, payload = :payload WHERE seq = :seq

-- name: select_hardware
SELECT identity FROM hardware

-- name: replace_hardware
INSERT INTO hardware (singleton, identity) VALUES (1, :identity)
ON CONFLICT DO UPDATE SET identity = excluded.identity

-- name: replace_renewal
INSERT INTO renewal (singleton, renewed_at, former, reason) VALUES (1, :renewed_at, :former, :reason)
ON CONFLICT DO UPDATE SET renewed_at = excluded.renewed_at, former = excluded.former, reason = excluded.reason

-- name: select_renewal
SELECT renewed_at, former, reason FROM renewal

-- name: select_highest_seq
SELECT coalesce(max(seq), 0) FROM batch

-- name: select_any
SELECT EXISTS (SELECT 1 FROM batch) OR EXISTS (SELECT 1 FROM held)

-- name: select_used_bytes
-- Bytes of the file that hold something; the rest of it is reused before the file grows.
SELECT (page_count - freelist_count) * page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size

-- name: select_oldest
-- The end of the oldest batches that together hold at least :bytes of payload, and what goes with them.
WITH running AS (
    SELECT seq, first_at, last_at, readings, lost, sum(length(payload)) OVER (ORDER BY seq) AS bytes
    FROM (SELECT * FROM batch ORDER BY seq LIMIT 5000)
)
SELECT max(seq), min(first_at), max(last_at), coalesce(sum(CASE WHEN lost = 0 THEN readings ELSE lost END), 0)
FROM running
WHERE bytes <= :bytes

-- name: delete_until
DELETE FROM batch WHERE seq <= :seq

-- name: update_incarnation
UPDATE spool SET incarnation = :incarnation, next_seq = :next_seq

-- name: select_batches
SELECT seq, incarnation, first_at, last_at, readings, lost, payload FROM batch ORDER BY seq

-- name: select_depth
SELECT count(*), coalesce(sum(readings), 0), coalesce(sum(bytes), 0), min(first_at)
FROM (SELECT readings, length(payload) AS bytes, first_at FROM batch UNION ALL SELECT readings, length(columns), first_at FROM held)
