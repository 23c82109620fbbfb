-- Queries of guest nodes.

-- name: select_guests
-- Those whose messages are received.
SELECT g.node_id AS node, n.area_id AS area, g.format, g.mapping, g.sender, g.token_sha256, g.topic, g.poll_url, g.incarnation
FROM guest g JOIN node n ON n.id = g.node_id
WHERE g.revoked_at IS NULL ORDER BY g.node_id

-- name: store_messages
-- Messages of one group commit. A message that was received before, or twice in this group, is stored once. Returns the
-- ordinals (1, 2, ...) of those that are new. Rows are locked in the order of their keys, so that two writers never
-- wait for each other.
WITH incoming AS MATERIALIZED (
    SELECT * FROM unnest(%(nodes)s::text[], %(keys)b::bytea[], %(seconds)s::float8[], %(received)s::timestamptz[],
                         %(topics)s::text[], %(headers)s::jsonb[], %(bodies)b::bytea[])
         WITH ORDINALITY AS u(node_id, message_key, repeat_seconds, received_at, topic, headers, body, ordinal)
), once AS MATERIALIZED (
    SELECT DISTINCT ON (node_id, message_key) * FROM incoming ORDER BY node_id, message_key, ordinal
), fresh AS (
    INSERT INTO guest_seen AS s (node_id, message_key, repeat_until)
    SELECT node_id, message_key, now() + repeat_seconds * interval '1 second' FROM once ORDER BY node_id, message_key
    ON CONFLICT (node_id, message_key) DO UPDATE SET repeat_until = excluded.repeat_until
    WHERE s.repeat_until < now()
    RETURNING node_id, message_key
), stored AS (
    INSERT INTO guest_message (node_id, received_at, topic, headers, body)
    SELECT o.node_id, o.received_at, o.topic, o.headers, o.body
    FROM once o JOIN fresh f USING (node_id, message_key) ORDER BY o.ordinal
)
SELECT o.ordinal::int FROM once o JOIN fresh f USING (node_id, message_key) ORDER BY o.ordinal

-- name: select_waiting_messages
-- Messages of these areas in the order of receipt, with what the notary needs of their guests.
SELECT m.id, m.node_id AS node, m.received_at, m.topic, m.headers, m.body, m.signed, n.area_id AS area, g.format, g.mapping,
       g.sender, g.incarnation, g.last_seq
FROM guest_message m JOIN guest g USING (node_id) JOIN node n ON n.id = m.node_id
WHERE ARRAY['*', n.area_id] && %(areas)s
ORDER BY m.id LIMIT %(limit)s

-- name: record_signed
-- The signed batches, before they are processed: after a failure the same bytes are processed again.
UPDATE guest_message m SET signed = u.signed
FROM unnest(%(ids)s::bigint[], %(signed)b::bytea[]) AS u(id, signed) WHERE m.id = u.id

-- name: record_numbers
UPDATE guest g SET last_seq = u.seq
FROM unnest(%(nodes)s::text[], %(numbers)s::bigint[]) AS u(node_id, seq) WHERE g.node_id = u.node_id

-- name: insert_originals
INSERT INTO guest_original (node_id, incarnation, seq, received_at, body)
SELECT * FROM unnest(%(nodes)s::text[], %(incarnations)s::text[], %(numbers)s::bigint[], %(received)s::timestamptz[], %(bodies)b::bytea[])

-- name: delete_messages
DELETE FROM guest_message WHERE id = ANY(%(ids)s)

-- name: delete_expired_keys
-- Keys by which repetitions are known, a minute after they expired.
DELETE FROM guest_seen WHERE repeat_until < now() - interval '1 minute'

-- name: record_notary
-- The API enrols guests with this key.
INSERT INTO notary AS n (verifier_key) VALUES (%(key)s)
ON CONFLICT (only_row) DO UPDATE SET verifier_key = excluded.verifier_key WHERE n.verifier_key <> excluded.verifier_key

-- name: has_inbox
SELECT to_regclass('guest_message') IS NOT NULL

-- name: select_delayed_messages
-- Messages that the notary has not taken for ten minutes.
SELECT count(*) AS messages, min(received_at) AS since FROM guest_message WHERE received_at < now() - interval '10 minutes'
