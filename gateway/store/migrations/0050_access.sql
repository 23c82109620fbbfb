-- People's access: accounts, sessions, keys for programs, and who did what. Public pages and the public API need none of it.

CREATE SCHEMA access;

CREATE TABLE access.account (
    name            text PRIMARY KEY CHECK (name ~ '^[a-z0-9][a-z0-9._@-]{0,126}$'),
    role            text NOT NULL CHECK (role IN ('resident', 'inspector', 'operator', 'admin')),
    areas           text[] NOT NULL,          -- '*': every area
    password_hash   text,                     -- argon2id; NULL: signs in through the provider only
    totp_secret     text,                     -- NULL: no second factor yet
    totp_used       bigint NOT NULL DEFAULT 0, -- newest time step that was accepted: a code works once
    failures        int NOT NULL DEFAULT 0,   -- wrong passwords or codes since the last right one
    locked_until    timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    disabled_at     timestamptz
);

CREATE TABLE access.session (
    token_sha256 bytea PRIMARY KEY,           -- who reads this table cannot sign in with it
    account      text NOT NULL REFERENCES access.account,
    created_at   timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL
);
CREATE INDEX session_expiry ON access.session (expires_at);

CREATE TABLE access.api_key (
    id           text PRIMARY KEY,            -- the part of a key that may be shown
    secret_sha256 bytea NOT NULL,
    account      text NOT NULL REFERENCES access.account,
    scopes       text[] NOT NULL,
    areas        text[] NOT NULL,
    purpose      text NOT NULL,
    created_at   timestamptz NOT NULL DEFAULT now(),
    expires_at   timestamptz NOT NULL,
    revoked_at   timestamptz
);

CREATE TABLE access.audit (                   -- append-only: who did what, when, from where
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at      timestamptz NOT NULL DEFAULT now(),
    who     text NOT NULL,
    action  text NOT NULL,
    object  text NOT NULL,
    address text NOT NULL,
    outcome text NOT NULL
);
CREATE INDEX audit_by_time ON access.audit (at);

CREATE FUNCTION access.audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit log is only added to';
END $$;
CREATE TRIGGER audit_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON access.audit
    FOR EACH STATEMENT EXECUTE FUNCTION access.audit_is_append_only();
