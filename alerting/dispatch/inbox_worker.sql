-- name: select_inbox
-- In order of arrival, an event's revisions one after another. One worker at a time reads it (lock_decisions).
SELECT event_id, revision, alert::text AS alert, received_at, alert ->> 'severity' AS severity,
       coalesce((alert ->> 'property_order')::int, 0) AS property_order
FROM alerting.inbox WHERE dispatched_at IS NULL
ORDER BY received_at, event_id, revision LIMIT 200 FOR UPDATE

-- name: mark_dispatched
UPDATE alerting.inbox SET dispatched_at = now() WHERE event_id = %(event)s AND revision = %(revision)s

-- name: insert_plume_member
-- The event joins the open plume with that key; without one, a plume begins.
WITH begun AS (
    INSERT INTO alerting.plume (station, key) VALUES (%(station)s, %(plume)s)
    ON CONFLICT (key) WHERE closed_at IS NULL DO UPDATE SET key = excluded.key RETURNING id
)
INSERT INTO alerting.member AS m (event_id, plume_id, revision, state)
SELECT %(event)s, begun.id, %(revision)s, 'open' FROM begun
ON CONFLICT (event_id) DO UPDATE
SET plume_id = excluded.plume_id, revision = excluded.revision, state = 'open', changed_at = now()

-- name: update_plume_member
UPDATE alerting.member SET revision = %(revision)s, state = %(state)s, changed_at = least(now(), %(ended_at)s)
WHERE event_id = %(event)s

-- name: select_plume_state
-- Whether another event of the same plume is open; whether the plume is closed, or there is none.
SELECT coalesce(bool_or(o.event_id <> m.event_id AND o.state = 'open'), false) AS is_open,
       coalesce(bool_or(p.closed_at IS NOT NULL), true) AS is_closed
FROM alerting.member m JOIN alerting.plume p ON p.id = m.plume_id JOIN alerting.member o ON o.plume_id = m.plume_id
WHERE m.event_id = %(event)s

-- name: select_last_notified
-- Notifications of the event and of the other events of its plume, in the order in which they were decided.
WITH plume AS (
    SELECT o.event_id FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
    WHERE m.event_id = %(event)s
    UNION SELECT %(event)s::text
)
-- With %(voided)s also those of a digest, which has to be corrected: it told of every event that was put into it.
SELECT notified.receiver, i.alert ->> 'severity' AS severity, notified.event_id = %(event)s AS of_this_event,
       i.alert ->> 'change' AS change
FROM plume
CROSS JOIN LATERAL (  -- OFFSET 0: by the index, also in a storm when the planner's statistics of the table are old
    SELECT * FROM alerting.decision d
    WHERE d.event_id = plume.event_id
      AND ((d.told AND d.reason <> 'digest') OR (d.reason = 'digest' AND %(voided)s)) OFFSET 0
) AS notified
JOIN alerting.inbox i ON i.event_id = notified.event_id AND i.revision = notified.revision
ORDER BY notified.decided_at

-- name: select_earlier_revisions
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s AND revision < %(revision)s ORDER BY revision

-- name: select_remaining_members
-- After the correction of an event: for each receiver that was notified of it, the events of its plume that stand and
-- that were suppressed in its favour. None for a receiver that was notified of another event that stands.
SELECT DISTINCT d.receiver, m.event_id, m.revision, i.alert::text AS alert
FROM alerting.member v
JOIN alerting.member m ON m.plume_id = v.plume_id AND m.state <> 'voided'
JOIN alerting.decision d ON d.event_id = m.event_id AND d.reason = 'same_plume'
JOIN alerting.inbox i ON i.event_id = m.event_id AND i.revision = m.revision
WHERE v.event_id = %(event)s
  AND NOT alerting.is_false_alarm(i.alert ->> 'plume', i.alert ->> 'station', i.alert ->> 'severity')
  AND EXISTS (SELECT 1 FROM alerting.decision t
              WHERE t.event_id = v.event_id AND t.receiver = d.receiver AND t.told)
  AND NOT EXISTS (SELECT 1 FROM alerting.member o JOIN alerting.decision t ON t.event_id = o.event_id
                  WHERE o.plume_id = v.plume_id AND o.state <> 'voided' AND t.receiver = d.receiver AND t.told)

-- name: select_false_alarm
SELECT id, plume, cause, note, author, stations, severities, stated_at FROM alerting.false_alarm
WHERE plume = %(plume)s AND withdrawn_at IS NULL

-- name: upsert_watch
INSERT INTO alerting.watch (event_id, receiver, revision, told_at, last_at)
VALUES (%(event)s, %(receiver)s, %(revision)s, %(now)s, %(now)s)
ON CONFLICT (event_id, receiver) DO UPDATE SET revision = excluded.revision, round = 0, last_at = excluded.last_at

-- name: delete_watch
-- Nobody has to acknowledge what was no event.
DELETE FROM alerting.watch WHERE event_id = %(event)s

-- name: delete_watches
-- Once no event of the plume is open, nobody has to acknowledge any of them.
DELETE FROM alerting.watch w
WHERE w.event_id = %(event)s
   OR w.event_id IN (SELECT o.event_id FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
                     WHERE m.event_id = %(event)s)
