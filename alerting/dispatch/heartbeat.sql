-- name: has_stale_alerts
-- Whether an alert waits in the inbox for %(seconds)s, or a notification in the outbox for at least ten minutes.
SELECT EXISTS (SELECT 1 FROM alerting.inbox
               WHERE dispatched_at IS NULL AND received_at < now() - make_interval(secs => %(seconds)s))
    OR EXISTS (SELECT 1 FROM alerting.outbox
               WHERE state = 'pending' AND attempts = 0 AND first_try_at IS NULL
                 AND created_at < now() - make_interval(secs => greatest(%(seconds)s, 600)))
