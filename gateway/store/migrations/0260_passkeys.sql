-- Passkeys of staff (WebAuthn): a sign-in with a key on the person's own device, beside password and code.

CREATE TABLE access.passkey (
    id            text PRIMARY KEY,                -- shown on the account page and in the audit log
    account       text NOT NULL REFERENCES access.account,
    name          text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),  -- the person's own, such as "telefoon"
    credential_id bytea NOT NULL UNIQUE CHECK (length(credential_id) BETWEEN 1 AND 1023),
    public_key    bytea NOT NULL,                  -- COSE; who reads this table cannot sign in with it
    sign_count    bigint NOT NULL,                 -- of the newest sign-in; 0: this device does not count
    created_at    timestamptz NOT NULL DEFAULT now(),
    last_used_at  timestamptz,
    removed_at    timestamptz                      -- stays, so that a removed passkey is called so
);
CREATE INDEX passkey_account ON access.passkey (account) WHERE removed_at IS NULL;

CREATE TABLE access.used_challenge (               -- challenges that were judged: each counts once
    challenge  bytea PRIMARY KEY CHECK (length(challenge) = 32),
    expires_at timestamptz NOT NULL
);
CREATE INDEX used_challenge_expiry ON access.used_challenge (expires_at);

-- Challenges are derived from this secret and a cookie, so that nobody fills a table by asking for them.
CREATE TABLE access.passkey_secret (
    id     int PRIMARY KEY DEFAULT 1 CHECK (id = 1),  -- one row
    secret bytea NOT NULL CHECK (length(secret) = 32)
);
INSERT INTO access.passkey_secret (secret) VALUES (uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid()));
