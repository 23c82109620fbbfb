-- Alerting's own tables: what came in, what is to be sent, and every attempt that was made.

CREATE SCHEMA alerting;

CREATE TABLE alerting.inbox (             -- one revision of one event; put in the transaction that stores the event
    event_id      text NOT NULL,
    revision      int NOT NULL,
    alert         jsonb NOT NULL,
    received_at   timestamptz NOT NULL DEFAULT now(),
    dispatched_at timestamptz,            -- NULL: nobody has decided yet who is told
    PRIMARY KEY (event_id, revision)
);
CREATE INDEX inbox_waiting ON alerting.inbox (received_at) WHERE dispatched_at IS NULL;

CREATE TABLE alerting.decision (          -- who is told or not, and why: append-only
    event_id   text NOT NULL,
    revision   int NOT NULL,
    receiver   text NOT NULL,
    told       boolean NOT NULL,
    reason     text NOT NULL,
    decided_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, revision, receiver)
);

CREATE TABLE alerting.outbox (            -- one notification through one channel
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id        text NOT NULL,
    revision        int NOT NULL,
    receiver        text NOT NULL,
    channel         text NOT NULL,
    message_id      text NOT NULL,        -- the same at every attempt: a receiver can tell a repeat
    state           text NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sending', 'delivered', 'refused', 'unknown')),
    attempts        int NOT NULL DEFAULT 0,
    fence           bigint NOT NULL DEFAULT 0,  -- grows with each claim: a worker whose lease ran out cannot finish it
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    finished_at     timestamptz,
    UNIQUE (event_id, revision, receiver, channel)
);
CREATE INDEX outbox_due ON alerting.outbox (next_attempt_at) WHERE state IN ('pending', 'sending');

CREATE TABLE alerting.delivery (          -- every attempt and its outcome: append-only
    outbox_id bigint NOT NULL REFERENCES alerting.outbox,
    attempt   int NOT NULL,
    began_at  timestamptz NOT NULL,
    ended_at  timestamptz NOT NULL DEFAULT now(),
    outcome   text NOT NULL,
    detail    text NOT NULL,
    sha256    bytea NOT NULL,             -- of exactly the bytes that were sent
    PRIMARY KEY (outbox_id, attempt)
);
