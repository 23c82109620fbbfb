-- name: put_account
INSERT INTO access.account (name, role, areas, password_hash, totp_secret)
VALUES (%(name)s, %(role)s, %(areas)s, %(password_hash)s, %(totp_secret)s)
ON CONFLICT (name) DO UPDATE
SET role = excluded.role, areas = excluded.areas,
    password_hash = coalesce(excluded.password_hash, account.password_hash),
    totp_secret = coalesce(excluded.totp_secret, account.totp_secret),
    disabled_at = NULL, code_attempts = 0, code_attempts_end = NULL;

-- name: select_account
SELECT name, role, areas, password_hash, totp_secret, totp_used, disabled_at
FROM access.account WHERE name = %(name)s;

-- name: select_accounts
SELECT name, role, areas, password_hash IS NOT NULL AS has_password, totp_secret IS NOT NULL AS has_totp, disabled_at
FROM access.account ORDER BY name;

-- name: disable_account
UPDATE access.account SET disabled_at = now() WHERE name = %(name)s AND disabled_at IS NULL;

-- name: end_sessions
DELETE FROM access.session WHERE account = %(name)s;

-- name: remove_passkeys_of
UPDATE access.passkey SET removed_at = now() WHERE account = %(name)s AND removed_at IS NULL;

-- name: take_code_attempt
-- Counts before the code is judged. The row stays locked until the transaction ends, so no two codes share a count.
UPDATE access.account
SET code_attempts = CASE WHEN code_attempts_end > now() THEN code_attempts + 1 ELSE 1 END,
    code_attempts_end = CASE WHEN code_attempts_end > now() THEN code_attempts_end
                             ELSE now() + %(period_seconds)s * interval '1 second' END
WHERE name = %(name)s AND (code_attempts < %(max_attempts)s OR code_attempts_end IS NULL OR code_attempts_end <= now())
RETURNING totp_used;

-- name: record_totp_step
UPDATE access.account SET totp_used = %(step)s WHERE name = %(name)s AND totp_used < %(step)s;

-- name: reset_code_attempts
UPDATE access.account SET code_attempts = 0, code_attempts_end = NULL WHERE name = %(name)s;

-- name: begin_session
INSERT INTO access.session (token_sha256, account, created_at, expires_at)
VALUES (%(token)s, %(name)s, now(), now() + %(seconds)s * interval '1 second');

-- name: delete_expired_sessions
DELETE FROM access.session WHERE expires_at < now();

-- name: select_session_account
SELECT account.name, account.role, account.areas
FROM access.session JOIN access.account ON account.name = session.account
WHERE session.token_sha256 = %(token)s AND session.expires_at > now() AND account.disabled_at IS NULL;

-- name: end_session
DELETE FROM access.session WHERE token_sha256 = %(token)s;

-- name: put_key
INSERT INTO access.api_key (id, secret_sha256, account, scopes, areas, purpose, expires_at)
VALUES (%(id)s, %(secret)s, %(name)s, %(scopes)s, %(areas)s, %(purpose)s, now() + %(days)s * interval '1 day');

-- name: select_key
SELECT account.name, account.role, account.areas, api_key.scopes, api_key.areas AS key_areas, api_key.secret_sha256
FROM access.api_key JOIN access.account ON account.name = api_key.account
WHERE api_key.id = %(id)s AND api_key.expires_at > now() AND api_key.revoked_at IS NULL AND account.disabled_at IS NULL;

-- name: select_keys
SELECT id, account, scopes, areas, purpose, expires_at, revoked_at FROM access.api_key ORDER BY account, id;

-- name: revoke_key
UPDATE access.api_key SET revoked_at = now() WHERE id = %(id)s AND revoked_at IS NULL;

-- name: insert_audit
INSERT INTO access.audit (who, action, object, address, outcome)
VALUES (%(who)s, %(action)s, %(object)s, %(address)s, %(outcome)s);

-- name: select_audit
SELECT at, who, action, object, address, outcome, area, before, after FROM access.audit ORDER BY id DESC LIMIT %(limit)s;

-- name: select_exact_location
SELECT area_id AS area, latitude, longitude FROM station WHERE id = %(id)s;
