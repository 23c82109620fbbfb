-- An operator may ask for a payload to be taken in again, once what was wrong is mended; the answer stays beside it.

ALTER TABLE quarantine
    ADD COLUMN replay_requested_at timestamptz,
    ADD COLUMN replayed_at         timestamptz,
    ADD COLUMN replay_outcome      text;

CREATE INDEX quarantine_to_replay ON quarantine (id) WHERE replay_requested_at IS NOT NULL AND replayed_at IS NULL;
