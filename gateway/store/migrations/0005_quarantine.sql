-- What an operator asked to be tried again, what became of it, and what was taken out of quarantine for good.

ALTER TABLE quarantine
    ADD COLUMN replay_asked_at timestamptz,
    ADD COLUMN replay_asked_by text,
    ADD COLUMN replayed_at     timestamptz,
    ADD COLUMN outcome         text;      -- 'stored', 'duplicate', or the reason why it was refused again

CREATE INDEX quarantine_to_replay ON quarantine (id) WHERE replay_asked_at IS NOT NULL AND replayed_at IS NULL;
CREATE INDEX quarantine_by_time ON quarantine (received_at);

CREATE TABLE quarantine_emptied (         -- nobody takes evidence away without a name and a hash of what it was
    emptied_at  timestamptz NOT NULL DEFAULT now(),
    emptied_by  text NOT NULL,
    quarantined bigint NOT NULL,          -- id it had
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    reason      text NOT NULL,
    sha256      bytea NOT NULL
);
