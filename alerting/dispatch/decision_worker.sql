-- name: count_queues
SELECT (SELECT count(*) FROM alerting.inbox WHERE dispatched_at IS NULL) AS inbox,
       (SELECT count(*) FROM alerting.outbox WHERE state IN ('pending', 'sending')) AS outbox
