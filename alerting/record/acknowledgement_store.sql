-- name: select_newest_alert
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s ORDER BY revision DESC LIMIT 1

-- name: select_acknowledgements
SELECT who, note, said_at AS at FROM alerting.acknowledgement WHERE event_id = %(event)s ORDER BY id

-- name: insert_acknowledgement
-- The event, and those that a storm gathered into the same notification. A second press adds nothing, nor does one
-- after a hundred: by then everybody knows, and whoever has the link must not fill the record.
INSERT INTO alerting.acknowledgement (event_id, who, note, receiver, via)
SELECT target.event_id, %(author)s, %(note)s, %(receiver)s, 'link'
FROM (SELECT %(event)s::text AS event_id
      UNION
      SELECT g.event_id FROM alerting.outbox h JOIN alerting.outbox g ON g.gathered_into = h.id
      WHERE h.message_id = %(notification_id)s AND h.receiver = %(receiver)s) AS target
WHERE NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a
                  WHERE a.event_id = target.event_id AND a.who = %(author)s AND a.note = %(note)s
                    AND a.receiver = %(receiver)s)
  AND (SELECT count(*) FROM alerting.acknowledgement a WHERE a.event_id = target.event_id AND a.via = 'link') < 100
