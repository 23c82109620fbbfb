-- What each addressee of a notification got, and plumes as their receivers were told of them at the end.

CREATE TABLE alerting.addressee_outcome (  -- append-only: one row per attempt and addressee
    outbox_id bigint NOT NULL REFERENCES alerting.outbox,
    attempt   int NOT NULL,
    addressee text NOT NULL,
    outcome   text NOT NULL,
    detail    text NOT NULL,
    PRIMARY KEY (outbox_id, attempt, addressee)
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON alerting.addressee_outcome
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

-- Addressees that refuse, until one delivery succeeds: the operator is told of them. Empty: the channel as a whole.
CREATE TABLE alerting.refusal (
    receiver  text NOT NULL,
    channel   text NOT NULL,
    addressee text NOT NULL,
    since     timestamptz NOT NULL DEFAULT now(),
    detail    text NOT NULL,
    PRIMARY KEY (receiver, channel, addressee)
);

ALTER TABLE alerting.outbox
    DROP CONSTRAINT outbox_state_check,
    ADD CONSTRAINT outbox_state_check
        CHECK (state IN ('pending', 'sending', 'delivered', 'partial', 'refused', 'unknown', 'gathered', 'spared'));

-- The whole plume as its closing messages describe it; NULL until it is closed.
ALTER TABLE alerting.plume ADD COLUMN summary jsonb;
