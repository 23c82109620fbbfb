-- What a shadow reads of the gateway's tables, and keeps in its own. It writes nowhere else but its detector's name.

-- name: try_lock
-- One process a shadow; the lock goes with the connection.
SELECT pg_try_advisory_lock(7431102, hashtext(%(name)s))

-- name: select_batch_bounds
-- The newest batch id that was given out, and which transactions run: the oldest, and the next to begin.
SELECT CASE WHEN is_called THEN last_value ELSE 0 END,
       pg_snapshot_xmin(pg_current_snapshot())::text::bigint, pg_snapshot_xmax(pg_current_snapshot())::text::bigint
FROM batch_id

-- name: select_registry_version
-- Whether a snapshot of the registry is still whole: operators' changes, and the newest datastream.
SELECT version, (SELECT coalesce(max(id), 0) FROM datastream) FROM registry_version

-- name: select_state
SELECT next_batch, ids, quality, detection FROM shadow WHERE name = %(name)s AND detector = %(detector)s

-- name: select_last_batch_before
SELECT id FROM batch WHERE committed_at < %(at)s ORDER BY id DESC LIMIT 1

-- name: select_batches
SELECT id, node_id AS node, payload, received_at, hist AS late, committed_at FROM batch
WHERE id >= %(first)s AND id <= %(last)s ORDER BY id LIMIT %(limit)s

-- name: upsert_state
INSERT INTO shadow (name, detector, first_batch, next_batch, ids, quality, detection, newest, since)
VALUES (%(name)s, %(detector)s, %(first)s, %(next)s, %(ids)s, %(quality)s, %(detection)s, %(newest)s, %(oldest)s)
ON CONFLICT (name) DO UPDATE SET
    next_batch = excluded.next_batch, ids = excluded.ids, quality = excluded.quality, detection = excluded.detection,
    newest = greatest(shadow.newest, excluded.newest), detector = excluded.detector,
    first_batch = CASE WHEN shadow.detector = excluded.detector THEN shadow.first_batch ELSE excluded.first_batch END,
    since = CASE WHEN shadow.detector = excluded.detector THEN shadow.since ELSE excluded.since END

-- name: upsert_event
INSERT INTO shadow_event (shadow, id, revision, detector, change, kind, station_id, property_id, onset, ended_at,
                          committed_at, body)
VALUES (%(shadow)s, %(id)s, %(revision)s, %(detector)s, %(change)s, %(kind)s, %(station)s, %(property)s, %(onset)s,
        %(end)s, %(committed)s, %(body)s::jsonb)
ON CONFLICT (shadow, id) DO UPDATE SET
    revision = excluded.revision, change = excluded.change, kind = excluded.kind, ended_at = excluded.ended_at,
    body = excluded.body
WHERE excluded.revision > shadow_event.revision

-- name: select_shadows
SELECT name, detector, since, newest FROM shadow ORDER BY name

-- name: found_live
-- By when an event was first committed, as the shadow's are: what is compared are the same batches.
SELECT r.body::text FROM event e JOIN event_revision r ON r.event_id = e.id AND r.revision = e.revision
WHERE NOT e.detected_late AND e.changed_at >= %(since)s
  AND (SELECT min(changed_at) FROM event_revision WHERE event_id = e.id) BETWEEN %(since)s AND %(until)s
ORDER BY e.onset, e.id

-- name: found_in_shadow
SELECT body::text FROM shadow_event
WHERE shadow = %(name)s AND detector = %(detector)s AND committed_at BETWEEN %(since)s AND %(until)s ORDER BY onset, id
