-- Areas shared out among gateways. A worker that has not been seen for a while is dead: its row goes, and its leases with it.
-- What keeps two from writing for one area is not this table but the advisory lock on the writer's own connection.

CREATE TABLE gateway_worker (
    id         text PRIMARY KEY,              -- new at every start of a process
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    seen_at    timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE SEQUENCE lease_number;

CREATE TABLE area_lease (
    area_id   text PRIMARY KEY REFERENCES area ON DELETE CASCADE,
    worker_id text NOT NULL REFERENCES gateway_worker ON DELETE CASCADE,
    number    bigint NOT NULL DEFAULT nextval('lease_number'),  -- counts how often areas changed hands
    taken_at  timestamptz NOT NULL DEFAULT clock_timestamp()
);
