-- name: lock_plume
-- Two inspectors who answer at once answer one after the other.
SELECT pg_advisory_xact_lock(7402986, hashtext(%(plume)s))

-- name: select_first_acknowledgement
SELECT a.who AS author, a.said_at AS at FROM alerting.acknowledgement a
WHERE a.event_id = ANY(%(events)s) ORDER BY a.said_at, a.id LIMIT 1

-- name: insert_acknowledgements
INSERT INTO alerting.acknowledgement (event_id, who, note, via)
SELECT event_id, %(author)s, %(note)s, %(via)s FROM unnest(%(events)s::text[]) AS plume (event_id)

-- name: select_false_alarm
SELECT id, plume, cause, note, author, stations, severities, stated_at FROM alerting.false_alarm
WHERE plume = %(plume)s AND withdrawn_at IS NULL

-- name: select_false_alarms
-- All of the plume, also those that were withdrawn; oldest first.
SELECT id, cause, note, author, stated_at, withdrawn_at, withdrawn_by FROM alerting.false_alarm
WHERE plume = %(plume)s ORDER BY id

-- name: insert_false_alarm
INSERT INTO alerting.false_alarm (plume, cause, note, author, stations, severities)
VALUES (%(plume)s, %(cause)s, %(note)s, %(author)s, %(stations)s, %(severities)s)

-- name: withdraw_false_alarm
UPDATE alerting.false_alarm SET withdrawn_at = now(), withdrawn_by = %(author)s
WHERE plume = %(plume)s AND withdrawn_at IS NULL

-- name: select_known_sources_of_plume
SELECT id, plume, name, match, legal_basis, until, level, author, stated_at, ended_at FROM alerting.known_source
WHERE plume = %(plume)s ORDER BY id

-- name: select_known_sources
-- Those in force, the first to end first.
SELECT id, plume, name, match, legal_basis, until, level, author, stated_at, ended_at FROM alerting.known_source
WHERE ended_at IS NULL AND until >= %(today)s ORDER BY until, id LIMIT 500

-- name: select_known_source
SELECT id, plume, name, match, legal_basis, until, level, author, stated_at, ended_at FROM alerting.known_source
WHERE id = %(id)s

-- name: insert_known_source
INSERT INTO alerting.known_source (plume, name, match, legal_basis, until, level, author, changed_by)
VALUES (%(plume)s, %(name)s, %(match)s, %(legal_basis)s, %(until)s, %(level)s, %(author)s, %(author)s)

-- name: end_known_source
UPDATE alerting.known_source SET ended_at = now(), changed_by = %(author)s WHERE id = %(id)s AND ended_at IS NULL

-- name: insert_note
-- Once per author and text within a minute: a form sent twice adds nothing.
INSERT INTO alerting.note (plume, author, text)
SELECT %(plume)s, %(author)s, %(text)s
WHERE NOT EXISTS (SELECT FROM alerting.note n WHERE n.plume = %(plume)s AND n.author = %(author)s AND n.text = %(text)s
                  AND n.written_at > now() - interval '1 minute')

-- name: select_notes
SELECT author, text, written_at FROM alerting.note WHERE plume = %(plume)s ORDER BY id

-- name: lock_decisions
-- As the deciding worker does: a decision has the next free round of its revision.
SELECT pg_advisory_xact_lock(7402982)

-- name: insert_zaak_request
-- One decision and one notification for the Zaken API of a receiver, about the newest decided revision of the event.
-- None if a zaak was opened for the event before, or is being opened.
WITH newest AS (
    SELECT i.event_id, i.revision FROM alerting.inbox i
    WHERE i.event_id = %(event)s AND i.dispatched_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM alerting.outbox o WHERE o.event_id = i.event_id AND o.receiver = %(receiver)s
                        AND o.channel = %(channel)s AND o.state IN ('pending', 'sending', 'delivered'))
    ORDER BY i.revision DESC LIMIT 1
), decided AS (
    INSERT INTO alerting.decision (event_id, revision, receiver, round, told, reason, detail, rules)
    SELECT n.event_id, n.revision, %(receiver)s,
           (SELECT coalesce(max(d.round) + 1, 0) FROM alerting.decision d
            WHERE d.event_id = n.event_id AND d.revision = n.revision AND d.receiver = %(receiver)s),
           true, 'zaak', %(detail)s, ''
    FROM newest n RETURNING event_id, revision, receiver, round
)
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id)
SELECT event_id, revision, receiver, %(channel)s, round,
       concat_ws('-', event_id, revision, receiver, replace(%(channel)s, ':', '-'), round)
FROM decided
