-- Guest nodes: sensors of others, whose messages the gateway receives and signs as notary. docs/adr/0180-guests.md

CREATE TABLE guest (
    node_id      text PRIMARY KEY REFERENCES node CHECK (starts_with(node_id, 'guest-')),
    format       text NOT NULL,                 -- of gateway.adapters.formats
    mapping      text,                          -- the mapping file, TOML; NULL: the format needs none
    sender       text NOT NULL,                 -- the name of the device in its messages: serial number, dev_eui, ...
    token_sha256 bytea NOT NULL UNIQUE CHECK (length(token_sha256) = 32),  -- the token itself is stored nowhere
    topic        text,                          -- MQTT topic that the gateway subscribes to; NULL: none
    poll_url     text,                          -- address that the gateway reads; NULL: none
    owner        text NOT NULL,                 -- who agreed; shown to operators alone
    consent_on   date NOT NULL,                 -- when
    consent_text text NOT NULL,                 -- to which version of the text
    incarnation  text NOT NULL,                 -- of its batches, see edge_agent.wire
    last_seq     bigint NOT NULL DEFAULT 0,     -- number of its newest batch
    enrolled_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX guest_topic ON guest (topic, sender) WHERE topic IS NOT NULL AND revoked_at IS NULL;

CREATE TABLE guest_message (                    -- the inbox: what was received and is not stored as a batch yet
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id     text NOT NULL REFERENCES guest,
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    headers     jsonb NOT NULL,
    body        bytea NOT NULL,
    signed      bytea                           -- its batch, from the moment on that the notary signed it
);

CREATE TABLE guest_seen (                       -- which messages were received, so that a repeated one is stored once
    node_id      text NOT NULL REFERENCES guest,
    message_key  bytea NOT NULL,                -- hash of the format's own id of a message, or of its bytes
    repeat_until timestamptz NOT NULL,          -- an equal message until then is a repetition
    PRIMARY KEY (node_id, message_key)
);
CREATE INDEX guest_seen_expiry ON guest_seen (repeat_until);

CREATE TABLE guest_original (                   -- bodies that can hold personal data; their batches have only the hash
    node_id     text NOT NULL REFERENCES guest,
    incarnation text NOT NULL,
    seq         bigint NOT NULL,
    received_at timestamptz NOT NULL,
    body        bytea NOT NULL,
    PRIMARY KEY (node_id, incarnation, seq)
);

-- The original goes with the signed bytes of its batch, whoever removes those: retention, or a person on request.
CREATE FUNCTION forget_guest_original() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM guest_original
    WHERE node_id = NEW.node_id AND incarnation = NEW.incarnation AND seq = NEW.seq;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_guest_original AFTER UPDATE OF payload ON batch
    FOR EACH ROW WHEN (NEW.payload = '' AND starts_with(NEW.node_id, 'guest-')) EXECUTE FUNCTION forget_guest_original();
