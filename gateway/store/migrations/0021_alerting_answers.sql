-- What people answer, what they ask not to be told, and messages gathered in a storm.

CREATE TABLE alerting.silence (           -- never deleted: an end brought forward is a change, and says whose
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    match      text[] NOT NULL CHECK (cardinality(match) > 0),
    author     text NOT NULL CHECK (author <> ''),
    reason     text NOT NULL CHECK (reason <> ''),
    starts_at  timestamptz NOT NULL DEFAULT now(),
    ends_at    timestamptz NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL,
    CHECK (ends_at >= starts_at)
);

CREATE TABLE alerting.acknowledgement (   -- append-only; the first one stops reminders and escalation
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id text NOT NULL,
    who      text NOT NULL CHECK (who <> ''),
    note     text NOT NULL,
    said_at  timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX acknowledgement_of ON alerting.acknowledgement (event_id);

CREATE TABLE alerting.gone (              -- webhooks that answered 410: nothing goes there until somebody enables them
    target text PRIMARY KEY,
    since  timestamptz NOT NULL DEFAULT now()
);

-- `round` counts how often a receiver was told of one revision: 0 at once, then reminders and escalations.
ALTER TABLE alerting.decision
    ADD COLUMN round  int NOT NULL DEFAULT 0,
    ADD COLUMN detail text NOT NULL DEFAULT '',
    ADD COLUMN rules  text NOT NULL DEFAULT '',  -- hash of the rules that decided
    DROP CONSTRAINT decision_pkey,
    ADD PRIMARY KEY (event_id, revision, receiver, round);

ALTER TABLE alerting.outbox
    ADD COLUMN round         int NOT NULL DEFAULT 0,
    ADD COLUMN first_try_at  timestamptz,
    ADD COLUMN gathered_into bigint REFERENCES alerting.outbox,
    DROP CONSTRAINT outbox_event_id_revision_receiver_channel_key,
    ADD UNIQUE (event_id, revision, receiver, channel, round),
    DROP CONSTRAINT outbox_state_check,
    ADD CHECK (state IN ('pending', 'sending', 'delivered', 'refused', 'unknown', 'gathered'));
CREATE INDEX outbox_tried ON alerting.outbox (first_try_at);
CREATE INDEX outbox_gathered ON alerting.outbox (gathered_into) WHERE gathered_into IS NOT NULL;
CREATE INDEX outbox_waiting ON alerting.outbox (receiver, channel, id) WHERE state = 'pending';

CREATE TABLE alerting.watch (             -- events somebody was told of and that are not over: what reminders look at
    event_id text NOT NULL,
    receiver text NOT NULL,
    revision int NOT NULL,
    round    int NOT NULL DEFAULT 0,
    told_at  timestamptz NOT NULL,        -- when first
    last_at  timestamptz NOT NULL,        -- when last
    escalated_at timestamptz,
    PRIMARY KEY (event_id, receiver)
);
