-- name: select_event
SELECT 1 FROM alerting.inbox WHERE event_id = %(event)s LIMIT 1

-- name: insert_acknowledgement
INSERT INTO alerting.acknowledgement (event_id, who, note) VALUES (%(event)s, %(author)s, %(note)s)

-- name: insert_silence
-- Without a limit of length and without waking the workers, unlike cases.sql: the workers read silences at every step.
INSERT INTO alerting.silence (match, author, reason, starts_at, ends_at, changed_by, kind)
VALUES (%(match)s, %(author)s, %(reason)s, coalesce(%(starts)s, now()), %(ends)s, %(author)s, %(kind)s) RETURNING id

-- name: select_registry_values
SELECT label, value FROM alerting.known

-- name: enable_target
DELETE FROM alerting.gone WHERE target = %(target)s
