-- Which worker writes for which area. One worker at a time reads and takes leases: `lock_leases` holds until the
-- transaction ends.

-- name: lock_leases
SELECT pg_advisory_xact_lock(7431102)

-- name: record_heartbeat
INSERT INTO gateway_worker (id) VALUES (%(worker)s)
ON CONFLICT (id) DO UPDATE SET seen_at = clock_timestamp()

-- name: remove_dead_workers
-- A worker without a heartbeat loses its leases and all its connections, so that it can never commit later.
-- A worker without any connection is one that was killed: it has only missed its next heartbeat. After a start of the
-- database no worker has a connection yet, and the heartbeat alone counts.
WITH dead AS (
    DELETE FROM gateway_worker AS w
    WHERE seen_at < clock_timestamp() - make_interval(secs => %(expiry_seconds)s)
       OR (
           seen_at < clock_timestamp() - make_interval(secs => %(disconnected_seconds)s)
           AND pg_postmaster_start_time() < clock_timestamp() - make_interval(secs => %(expiry_seconds)s)
           AND NOT EXISTS (
               SELECT FROM pg_stat_activity AS a
               WHERE a.datname = current_database() AND a.application_name = %(name_prefix)s || w.id
           )
       )
    RETURNING id
)
SELECT dead.id, count(pg_terminate_backend(a.pid)) FROM dead
LEFT JOIN pg_stat_activity a ON a.datname = current_database() AND a.application_name = %(name_prefix)s || dead.id
GROUP BY dead.id

-- name: select_workers
SELECT id FROM gateway_worker

-- name: select_areas
-- Every area, its number of nodes, and the worker that holds its lease.
SELECT a.id AS area,
       (SELECT count(*) FROM node n WHERE n.area_id = a.id AND n.revoked_at IS NULL) AS node_count,
       l.worker_id AS holder
FROM area a LEFT JOIN area_lease l ON l.area_id = a.id
WHERE cardinality(%(areas)s::text[]) = 0 OR a.id = ANY(%(areas)s)

-- name: insert_leases
INSERT INTO area_lease (area_id, worker_id) SELECT a, %(worker)s FROM unnest(%(areas)s::text[]) AS a
ON CONFLICT DO NOTHING RETURNING area_id, number

-- name: delete_leases
DELETE FROM area_lease WHERE worker_id = %(worker)s AND area_id = ANY(%(areas)s)

-- name: delete_worker
DELETE FROM gateway_worker WHERE id = %(worker)s
