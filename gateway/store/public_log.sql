-- The public log: leaves get indices without gaps, and what was signed is recorded. Run by the sequencer of an area.

-- name: lock_log
SELECT pg_try_advisory_lock(7431104, hashtext(%(area)s))

-- name: select_log_areas
SELECT id FROM area ORDER BY id

-- name: create_state
INSERT INTO log_state (area_id) VALUES (%(area)s) ON CONFLICT DO NOTHING

-- name: select_state
SELECT size, batches_until, last_batch, signed_size, signed_root, delivery_count, delivery_head
FROM log_state WHERE area_id = %(area)s

-- name: lock_state
SELECT size, batches_until, last_batch, signed_size, signed_root, delivery_count, delivery_head
FROM log_state WHERE area_id = %(area)s FOR UPDATE

-- name: select_last_batch_id
SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM batch_id

-- name: select_numbering_transactions
-- Transactions that have drawn an id of a batch and have not ended: nextval locks its sequence until then.
SELECT virtualtransaction FROM pg_locks
WHERE locktype = 'relation' AND relation = 'batch_id'::regclass AND mode = 'RowExclusiveLock'
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: insert_batch_leaves
-- Batches after the watermark that have no leaf, by id, up to `before` (NULL: all). The second bound keeps the search
-- for leaves short.
WITH missing AS (
    SELECT b.id FROM batch b JOIN node n ON n.id = b.node_id
    WHERE n.area_id = %(area)s AND b.id > %(batches_until)s AND b.id < coalesce(%(before)s::bigint, b.id + 1)
      AND NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.batch_id = b.id AND l.batch_id > %(batches_until)s)
      AND NOT EXISTS (SELECT 1 FROM log_recovered_batch r
                      WHERE (r.node_id, r.incarnation, r.seq, r.sha256) = (b.node_id, b.incarnation, b.seq, b.sha256))
    ORDER BY b.id LIMIT %(limit)s
), added AS (
    INSERT INTO log_leaf (area_id, number, batch_id)
    SELECT %(area)s, %(size)s + row_number() OVER (ORDER BY id) - 1, id FROM missing
    RETURNING batch_id
)
SELECT count(*) AS count, coalesce(max(batch_id), 0) AS last FROM added

-- name: select_sources
SELECT id, kind, body::text AS body FROM log_source
WHERE area_id = %(area)s AND kind = ANY(%(kinds)s::text[]) ORDER BY id LIMIT %(limit)s

-- name: delete_sources
DELETE FROM log_source WHERE id = ANY(%(ids)s)

-- name: select_detectors
-- Detectors that ran here and have no leaf in this log.
SELECT name, parameters::text AS parameters FROM detector d
WHERE NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.area_id = %(area)s AND l.source = 'detector ' || d.name)
ORDER BY since, name

-- name: select_states
-- States of detection whose next batch of the area has no leaf yet, with the id of that batch. Of several states before
-- the same batch, only the newest. Their bytes are read one by one: a log that is switched on late has 200 of them.
SELECT DISTINCT ON (f.id, c.detector) c.id, f.id AS first_batch
FROM checkpoint c
CROSS JOIN LATERAL (
    SELECT b.id FROM batch b JOIN node n ON n.id = b.node_id
    WHERE n.area_id = %(area)s AND b.id >= c.before_batch AND b.id > %(last_batch)s
    ORDER BY b.id LIMIT 1
) AS f
WHERE c.before_batch > %(last_batch)s AND c.areas && ARRAY['*', %(area)s::text]
ORDER BY f.id, c.detector, c.before_batch DESC

-- name: select_saved_state
-- One saved state, with its datastreams of the area.
SELECT c.detector, c.ids, c.quality, c.detection,
       ARRAY(SELECT d.id FROM datastream d JOIN node n ON n.id = d.node_id JOIN station s ON s.id = d.station_id
             WHERE %(area)s IN (n.area_id, s.area_id) AND d.id = ANY(c.ids) ORDER BY d.id) AS chosen
FROM checkpoint c WHERE c.id = %(id)s

-- name: select_ranges
-- What decides whether a value of a property counts, and from which excess an event has which severity.
SELECT id, unit, lower, upper, max_rise, severity FROM observed_property ORDER BY id

-- name: select_logged_sources
SELECT source FROM log_leaf WHERE area_id = %(area)s AND source = ANY(%(sources)s)

-- name: insert_leaf
INSERT INTO log_leaf (area_id, number, source, entry, document)
VALUES (%(area)s, %(number)s, %(source)s, %(entry)s, %(document)s)

-- name: update_state
UPDATE log_state SET size = %(size)s, batches_until = greatest(batches_until, %(batches_until)s),
    last_batch = greatest(last_batch, %(last_batch)s),
    delivery_count = %(delivery_count)s, delivery_head = %(delivery_head)s
WHERE area_id = %(area)s

-- name: select_entries
-- Entries by index, in the form of gateway.transparency.leaf; NULL for a batch that is not stored any more.
SELECT l.number, convert_to(coalesce(l.entry,
           E'piekwacht/batch@v1\n' || b.node_id || ' ' || b.incarnation || ' ' || b.seq || E'\n'
           || encode(b.sha256, 'base64') || E'\n'), 'UTF8') AS entry
FROM log_leaf l LEFT JOIN batch b ON b.id = l.batch_id
WHERE l.area_id = %(area)s AND l.number >= %(first)s AND l.number < %(end)s ORDER BY l.number

-- name: record_head
UPDATE log_state SET signed_size = %(size)s, signed_root = %(root)s, signed_at = now() WHERE area_id = %(area)s

-- name: select_log_checks
-- For the doctor: the newest head of each log, and its age in seconds.
SELECT area_id AS area, size, signed_size, signed_root, extract(epoch FROM now() - signed_at)::float8 AS age
FROM log_state ORDER BY area_id

-- Recovery of leaves from the published log, in one transaction

-- name: insert_recovered_batches
-- Leaves of batches: of one that is stored and has no leaf yet, or of one that is not stored.
WITH given AS (
    SELECT * FROM unnest(%(numbers)s::bigint[], %(nodes)s::text[], %(incarnations)s::text[], %(sequences)s::bigint[],
                         %(hashes)s::bytea[], %(entries)s::text[]) AS g(number, node_id, incarnation, seq, sha256, entry)
), stored AS (
    INSERT INTO log_leaf (area_id, number, batch_id)
    SELECT %(area)s, g.number, b.id
    FROM given g JOIN batch b USING (node_id, incarnation, seq, sha256)
    WHERE NOT EXISTS (SELECT 1 FROM log_leaf l WHERE l.batch_id = b.id)
    RETURNING number
), missing AS (
    SELECT * FROM given g WHERE NOT EXISTS (SELECT 1 FROM stored s WHERE s.number = g.number)
), added AS (
    INSERT INTO log_leaf (area_id, number, source, entry)
    SELECT %(area)s, number, 'recovered ' || number, entry FROM missing
)
INSERT INTO log_recovered_batch (area_id, number, node_id, incarnation, seq, sha256)
SELECT %(area)s, number, node_id, incarnation, seq, sha256 FROM missing
RETURNING node_id AS node, incarnation, seq AS number

-- name: insert_node_key
-- A statement about a key that the database does not have any more.
INSERT INTO node_key (area_id, node_id, station_id, verifier_key, since, until)
VALUES (%(area)s, %(node)s, %(station)s, %(key)s, %(since)s, %(until)s) RETURNING id

-- name: delete_queued_node_key
-- The trigger has queued that statement, but its leaf is there already.
DELETE FROM log_source WHERE area_id = %(area)s AND kind = 'node-key' AND (body ->> 'id')::bigint = %(id)s

-- name: record_recovery
UPDATE log_state SET size = %(size)s, delivery_count = %(delivery_count)s, delivery_head = %(delivery_head)s,
    last_batch = greatest(last_batch, (SELECT max(batch_id) FROM log_leaf WHERE area_id = %(area)s))
WHERE area_id = %(area)s
