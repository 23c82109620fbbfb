-- The spool: every batch that the gateway has not yet said it holds.

-- name: schema
CREATE TABLE IF NOT EXISTS spool (
    one         INTEGER PRIMARY KEY CHECK (one = 1),
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
    payload     BLOB    NOT NULL      -- the signed note, as it will be sent, for ever the same bytes
) STRICT;

-- name: found
INSERT INTO spool (one, node, incarnation, next_seq) VALUES (1, :node, :incarnation, 1) ON CONFLICT DO NOTHING

-- name: identity
SELECT node, incarnation, next_seq FROM spool

-- name: count_on
UPDATE spool SET next_seq = :next_seq

-- name: add
INSERT INTO batch (seq, incarnation, first_at, last_at, readings, payload)
VALUES (:seq, :incarnation, :first_at, :last_at, :readings, :payload)

-- name: after
SELECT seq, payload FROM batch WHERE seq > :after AND seq <= :until ORDER BY seq LIMIT 1

-- name: one
SELECT seq, payload FROM batch WHERE seq = :seq

-- name: forget
DELETE FROM batch WHERE seq BETWEEN :first AND :last AND incarnation = :incarnation

-- name: top
SELECT coalesce(max(seq), 0) FROM batch

-- name: any
SELECT EXISTS (SELECT 1 FROM batch)

-- name: depth
SELECT count(*), coalesce(sum(readings), 0), coalesce(sum(length(payload)), 0), min(first_at) FROM batch
