-- Answering from the mail itself: what links are signed with, and by which way an answer came.

CREATE TABLE alerting.signing_key (       -- the newest signs; all that are not retired are believed
    id         int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    secret     bytea NOT NULL CHECK (length(secret) >= 32),
    made_at    timestamptz NOT NULL DEFAULT now(),
    retired_at timestamptz
);
-- It is here and not in a file because whoever can read this table could write the answer itself.
INSERT INTO alerting.signing_key (secret)
SELECT decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex');

ALTER TABLE alerting.acknowledgement
    ADD COLUMN receiver text NOT NULL DEFAULT '',  -- whose link was used; empty: said on the command line
    ADD COLUMN via      text NOT NULL DEFAULT 'command' CHECK (via IN ('command', 'link'));
CREATE INDEX outbox_message ON alerting.outbox (message_id);
