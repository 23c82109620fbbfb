-- name: select_uncorrected
SELECT id, plume, cause, note, author, stations, severities, stated_at FROM alerting.false_alarm
WHERE corrected_at IS NULL AND withdrawn_at IS NULL ORDER BY id FOR UPDATE

-- name: select_withdrawn
SELECT id, plume, cause, note, author, stations, severities, stated_at, withdrawn_by FROM alerting.false_alarm
WHERE withdrawn_at IS NOT NULL AND corrected_at IS NOT NULL AND reopened_at IS NULL ORDER BY id FOR UPDATE

-- name: select_notified
-- Receivers that were notified of an event which the false alarm covers, also in a digest; by the newest revision that
-- was decided. Not of an event that the detector itself voided: that was corrected.
SELECT e.event_id, e.revision, d.receiver FROM (
    SELECT DISTINCT ON (i.event_id) i.event_id, i.revision, i.alert FROM alerting.inbox i
    WHERE i.event_id IN (SELECT p.event_id FROM alerting.inbox p
                         WHERE p.alert ->> 'plume' = %(plume)s AND p.alert ->> 'plume' <> ''
                         UNION SELECT %(plume)s::text)
      AND i.dispatched_at IS NOT NULL
    ORDER BY i.event_id, i.revision DESC
) AS e
CROSS JOIN LATERAL (
    SELECT DISTINCT x.receiver FROM alerting.decision x
    WHERE x.event_id = e.event_id AND (x.told OR x.reason = 'digest')
) AS d
WHERE e.alert ->> 'change' <> 'voided' AND e.alert ->> 'station' = ANY(%(stations)s)
  AND e.alert ->> 'severity' = ANY(%(severities)s)
ORDER BY e.event_id, d.receiver

-- name: select_corrected
-- Receivers of the correction of an event that a false alarm covered.
SELECT DISTINCT ON (d.event_id, d.receiver) d.event_id, i.revision, d.receiver
FROM alerting.inbox i
JOIN alerting.decision d ON d.event_id = i.event_id AND d.reason = 'false_alarm' AND d.told
WHERE i.event_id IN (SELECT p.event_id FROM alerting.inbox p
                     WHERE p.alert ->> 'plume' = %(plume)s AND p.alert ->> 'plume' <> ''
                     UNION SELECT %(plume)s::text)
  AND i.dispatched_at IS NOT NULL AND i.alert ->> 'station' = ANY(%(stations)s)
  AND cardinality(%(severities)s::text[]) > 0
ORDER BY d.event_id, d.receiver, i.revision DESC

-- name: delete_watches
-- Nobody has to acknowledge what was no event.
DELETE FROM alerting.watch w USING alerting.inbox i
WHERE i.event_id = w.event_id AND i.revision = w.revision
  AND alerting.is_false_alarm(%(plume)s, i.alert ->> 'station', i.alert ->> 'severity')
  AND coalesce(nullif(i.alert ->> 'plume', ''), i.event_id) = %(plume)s

-- name: mark_corrected
UPDATE alerting.false_alarm SET corrected_at = now() WHERE id = %(id)s

-- name: mark_reopened
UPDATE alerting.false_alarm SET reopened_at = now() WHERE id = %(id)s
