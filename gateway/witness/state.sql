-- The memory of a witness: the heads that it signed, and the heads that contradict them.

-- name: create_schema
CREATE TABLE witness (
    singleton   INTEGER PRIMARY KEY CHECK (singleton = 1),
    key         TEXT    NOT NULL              -- the public key whose memory this is
) STRICT;
CREATE TABLE head (                           -- signed heads; the newest of a log has the largest size
    origin      TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    root        BLOB    NOT NULL,
    note        BLOB    NOT NULL,             -- with the signatures of the log and of this witness
    cosigned_at INTEGER NOT NULL,             -- s since 1970
    PRIMARY KEY (origin, size)
) STRICT, WITHOUT ROWID;
CREATE TABLE conflict (                       -- heads that the log signed and this witness refused
    origin      TEXT    NOT NULL,
    size        INTEGER NOT NULL,
    root        BLOB    NOT NULL,
    kind        TEXT    NOT NULL,             -- ConflictKind
    note        BLOB    NOT NULL,             -- with the log's signature
    signed_note BLOB    NOT NULL,             -- the head that it contradicts or does not continue
    received_at INTEGER NOT NULL,             -- s since 1970
    PRIMARY KEY (origin, size, root, kind)
) STRICT, WITHOUT ROWID;

-- name: insert_key
INSERT INTO witness (singleton, key) VALUES (1, :key)

-- name: select_key
SELECT key FROM witness

-- name: select_newest
SELECT origin, size, root, note, cosigned_at FROM head WHERE origin = :origin ORDER BY size DESC LIMIT 1

-- name: select_head
SELECT origin, size, root, note, cosigned_at FROM head WHERE origin = :origin AND size = :size

-- name: store_head
INSERT INTO head (origin, size, root, note, cosigned_at) VALUES (:origin, :size, :root, :note, :cosigned_at)
ON CONFLICT (origin, size) DO UPDATE SET note = :note, cosigned_at = :cosigned_at

-- name: delete_old_heads
DELETE FROM head WHERE origin = :origin AND size <= (
    SELECT size FROM head WHERE origin = :origin ORDER BY size DESC LIMIT 1 OFFSET :remembered
)

-- name: store_conflict
INSERT INTO conflict (origin, size, root, kind, note, signed_note, received_at)
SELECT :origin, :size, :root, :kind, :note, :signed_note, :received_at
WHERE (SELECT count(*) FROM conflict WHERE origin = :origin AND kind = :kind) < :most
ON CONFLICT DO NOTHING

-- name: resolve_conflict
DELETE FROM conflict WHERE origin = :origin AND size = :size AND root = :root AND kind = 'not_continued'

-- name: select_conflicts
SELECT origin, size, root, kind, note, signed_note, received_at FROM conflict ORDER BY kind, received_at, origin, size
