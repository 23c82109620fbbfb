-- What the page behind a mail's link reads and writes.

-- name: select_signing_keys
SELECT id, secret FROM alerting.signing_key WHERE retired_at IS NULL

-- name: select_newest_alert
-- The newest revision of an event that can be read.
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s ORDER BY revision DESC LIMIT 1

-- name: select_acknowledgements
SELECT who, note, said_at FROM alerting.acknowledgement WHERE event_id = %(event)s ORDER BY id

-- name: insert_acknowledgement
-- The event, and whatever a storm gathered into the same message. Pressing twice is saying it once.
INSERT INTO alerting.acknowledgement (event_id, who, note, receiver, via)
SELECT asked.event_id, %(who)s, %(note)s, %(receiver)s, 'link'
FROM (SELECT %(event)s::text AS event_id
      UNION
      SELECT g.event_id FROM alerting.outbox h JOIN alerting.outbox g ON g.gathered_into = h.id
      WHERE h.message_id = %(message)s AND h.receiver = %(receiver)s) AS asked
WHERE NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a
                  WHERE a.event_id = asked.event_id AND a.who = %(who)s AND a.note = %(note)s
                    AND a.receiver = %(receiver)s)
