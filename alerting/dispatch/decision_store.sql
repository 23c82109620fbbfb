-- name: lock_decisions
-- One worker at a time decides: each decision depends on what earlier ones notified of the plume.
SELECT pg_advisory_xact_lock(7402982)

-- name: select_silences_version
-- The sum, because one silence may end at the moment at which another is committed that was begun before the newest.
SELECT count(*), max(changed_at), sum(id),
       (SELECT sum(k.id) FROM alerting.known_source k WHERE k.ended_at IS NULL) AS known_sources
FROM alerting.silence WHERE ends_at > now()

-- name: select_known_sources
-- Those that inspectors named; the policy itself looks at their last day.
SELECT name, match, legal_basis, author AS owner, until, level FROM alerting.known_source
WHERE ended_at IS NULL AND until >= current_date - 1 ORDER BY id

-- name: select_silences
SELECT id, match, author, reason, starts_at, ends_at, kind FROM alerting.silence WHERE ends_at > now() ORDER BY id

-- name: insert_decision
INSERT INTO alerting.decision (event_id, revision, receiver, round, told, reason, detail, rules)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(round)s, %(told)s, %(reason)s, %(detail)s, %(rules)s)
ON CONFLICT DO NOTHING

-- name: insert_outbox
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
VALUES (%(event)s, %(revision)s, %(receiver)s, %(channel)s, %(round)s,
        concat_ws('-', %(event)s::text, %(revision)s, %(receiver)s::text, replace(%(channel)s, ':', '-'), %(round)s))
ON CONFLICT DO NOTHING

-- name: select_next_round
SELECT coalesce(max(round) + 1, 0) FROM alerting.decision
WHERE event_id = %(event)s AND revision = %(revision)s AND receiver = %(receiver)s

-- name: close_calm_plumes
-- Closes plumes that have had no open event since %(until)s. With %(key)s, because a new event of it begins: only
-- that plume, also if it is still open but older than a plume can be (6 hours).
-- Returns their ids.
WITH calm AS (
    SELECT p.id FROM alerting.plume p JOIN alerting.member m ON m.plume_id = p.id
    WHERE p.closed_at IS NULL AND (%(key)s::text IS NULL OR p.key = %(key)s) GROUP BY p.id
    HAVING (bool_and(m.state <> 'open') AND max(m.changed_at) <= %(until)s)
        OR (%(key)s::text IS NOT NULL AND p.opened_at <= now() - interval '6 hours')
), closed AS (
    UPDATE alerting.plume p SET closed_at = now() FROM calm WHERE p.id = calm.id RETURNING p.id
)
SELECT id FROM closed ORDER BY id

-- name: select_awaited_ends
-- Each ended event of these plumes with each receiver that waits for the end. None of a false alarm: it was corrected.
SELECT m.event_id, m.revision, d.receiver FROM alerting.member m
JOIN alerting.decision d ON d.event_id = m.event_id AND d.revision = m.revision AND d.reason = 'calm_awaited'
JOIN alerting.inbox i ON i.event_id = m.event_id AND i.revision = m.revision
WHERE m.plume_id = ANY(%(plumes)s) AND m.state = 'ended'
  AND NOT alerting.is_false_alarm(coalesce(nullif(i.alert ->> 'plume', ''), m.event_id), i.alert ->> 'station',
                                  i.alert ->> 'severity')
ORDER BY m.event_id, d.receiver

-- name: select_plume_of_event
SELECT plume_id FROM alerting.member WHERE event_id = %(event)s

-- name: select_plume_alerts
-- The newest alert of each event of the plume that was not voided.
SELECT i.alert::text FROM alerting.member m
JOIN alerting.inbox i ON i.event_id = m.event_id AND i.revision = m.revision
WHERE m.plume_id = %(plume)s AND m.state <> 'voided' ORDER BY m.event_id

-- name: update_plume_summary
UPDATE alerting.plume SET summary = %(summary)s::jsonb WHERE id = %(plume)s

-- name: select_levels_reached
SELECT alerting.levels_reached(%(station)s, %(property)s, %(until)s)
