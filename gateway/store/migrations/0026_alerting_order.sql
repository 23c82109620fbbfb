-- Channels in order of preference: what the next one need not send any more. Maintenance beside silences.

ALTER TABLE alerting.outbox
    DROP CONSTRAINT outbox_state_check,
    ADD CONSTRAINT outbox_state_check
        CHECK (state IN ('pending', 'sending', 'delivered', 'refused', 'unknown', 'gathered', 'spared'));

ALTER TABLE alerting.silence
    ADD COLUMN kind text NOT NULL DEFAULT 'silence' CHECK (kind IN ('silence', 'maintenance'));
