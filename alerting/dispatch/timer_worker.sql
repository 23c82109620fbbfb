-- name: select_unacknowledged
-- Receivers of open events that were notified before %(before)s, if nobody has acknowledged any event of the plume.
SELECT w.event_id, w.receiver, w.revision, w.told_at AS notified_at, w.last_at AS last_notified_at,
       w.escalated_at IS NOT NULL AS escalated, i.alert::text AS alert
FROM alerting.watch w JOIN alerting.inbox i ON i.event_id = w.event_id AND i.revision = w.revision
WHERE (w.last_at <= %(before)s OR (w.escalated_at IS NULL AND w.told_at <= %(before)s))
  AND NOT EXISTS (SELECT 1 FROM alerting.acknowledgement a WHERE a.event_id = w.event_id)
  AND NOT EXISTS (SELECT 1 FROM alerting.member m JOIN alerting.member o ON o.plume_id = m.plume_id
                  JOIN alerting.acknowledgement a ON a.event_id = o.event_id WHERE m.event_id = w.event_id)
FOR UPDATE OF w SKIP LOCKED

-- name: update_watch
UPDATE alerting.watch
SET round = round + 1,
    last_at = CASE WHEN %(escalated)s THEN last_at ELSE %(now)s END,
    escalated_at = CASE WHEN %(escalated)s THEN %(now)s ELSE escalated_at END
WHERE event_id = %(event)s AND receiver = %(receiver)s

-- name: select_plume_severities
-- For each receiver that watches a plume: the plume's open events by their newest decided revision, when one of its
-- events last ended, and the severity that the receiver was last notified of.
SELECT w.receiver, m.plume_id, o.event_id, o.revision, i.alert ->> 'severity' AS severity, i.received_at,
       (SELECT max(changed_at) FROM alerting.member e
        WHERE e.plume_id = m.plume_id AND e.state <> 'open') AS last_ended_at,
       (SELECT li.alert ->> 'severity' FROM alerting.member k
        CROSS JOIN LATERAL (  -- OFFSET 0: by the index, as in inbox_worker.sql, select_last_notified
            SELECT * FROM alerting.decision d WHERE d.event_id = k.event_id AND d.receiver = w.receiver AND d.told OFFSET 0
        ) AS notified
        JOIN alerting.inbox li ON li.event_id = notified.event_id AND li.revision = notified.revision
        WHERE k.plume_id = m.plume_id ORDER BY notified.decided_at DESC LIMIT 1) AS last_notified
FROM alerting.watch w
JOIN alerting.member m ON m.event_id = w.event_id
JOIN alerting.member o ON o.plume_id = m.plume_id AND o.state = 'open'
JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision

-- name: select_alert
SELECT alert::text FROM alerting.inbox WHERE event_id = %(event)s AND revision = %(revision)s

-- name: select_lost_stations
-- Open events at stations without data for %(seconds)s, for receivers that were not yet notified of that.
SELECT w.event_id, w.revision, w.receiver, h.last_heard
FROM alerting.watch w
JOIN alerting.inbox i ON i.event_id = w.event_id AND i.revision = w.revision
JOIN alerting.heard h ON h.station = i.alert ->> 'station'
WHERE w.no_data_at IS NULL AND h.last_heard < now() - make_interval(secs => %(seconds)s)

-- name: mark_no_data
UPDATE alerting.watch SET no_data_at = now() WHERE event_id = %(event)s AND receiver = %(receiver)s

-- name: clear_no_data
UPDATE alerting.watch w SET no_data_at = NULL FROM alerting.inbox i, alerting.heard h
WHERE w.no_data_at IS NOT NULL AND i.event_id = w.event_id AND i.revision = w.revision
  AND h.station = i.alert ->> 'station' AND h.last_heard > w.no_data_at

-- name: insert_digest_day
INSERT INTO alerting.digest (day) VALUES (%(day)s) ON CONFLICT DO NOTHING RETURNING day

-- name: select_late_events
-- Events that were over when they were found, or found in late data, and that are in no digest yet, by their newest
-- revision. Those that were voided meanwhile are left out.
SELECT DISTINCT ON (d.receiver, d.event_id) d.receiver, d.event_id, d.revision
FROM alerting.decision d
WHERE d.reason = 'detected_late' AND d.decided_at > now() - interval '8 days'
  AND NOT EXISTS (SELECT 1 FROM alerting.decision e
                  WHERE e.event_id = d.event_id AND e.receiver = d.receiver AND e.reason = 'digest'
                    AND e.revision >= d.revision)
  AND NOT EXISTS (SELECT 1 FROM alerting.inbox v WHERE v.event_id = d.event_id AND v.alert ->> 'change' = 'voided')
  AND NOT EXISTS (SELECT 1 FROM alerting.inbox f WHERE f.event_id = d.event_id AND f.revision = d.revision
                  AND alerting.is_false_alarm(f.alert ->> 'plume', f.alert ->> 'station', f.alert ->> 'severity'))
ORDER BY d.receiver, d.event_id, d.revision DESC

-- name: insert_gathered
-- The event goes into the notification of another, %(head)s.
INSERT INTO alerting.outbox (event_id, revision, receiver, channel, round, message_id, state, gathered_into, finished_at)
SELECT %(event)s, %(revision)s, receiver, channel, %(round)s,
       concat_ws('-', %(event)s::text, %(revision)s, receiver, replace(channel, ':', '-'), %(round)s), 'gathered', id, now()
FROM alerting.outbox
WHERE event_id = %(head)s AND revision = %(head_revision)s AND receiver = %(receiver)s AND round = %(head_round)s
ON CONFLICT DO NOTHING
