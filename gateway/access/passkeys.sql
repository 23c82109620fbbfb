-- name: select_passkey_secret
SELECT secret FROM access.passkey_secret;

-- name: select_passkeys
SELECT id, account, name, created_at, last_used_at FROM access.passkey
WHERE removed_at IS NULL AND account = %(account)s ORDER BY created_at, id;

-- name: select_all_passkeys
SELECT id, account, name, created_at, last_used_at FROM access.passkey
WHERE removed_at IS NULL ORDER BY account, created_at, id;

-- name: select_credential_ids
SELECT credential_id FROM access.passkey WHERE removed_at IS NULL AND account = %(account)s ORDER BY created_at, id;

-- name: select_credential
-- Locked until the transaction ends, so that two sign-ins never compare with the same count.
SELECT passkey.id, passkey.account, passkey.public_key, passkey.sign_count, passkey.removed_at IS NOT NULL AS is_removed,
       account.disabled_at IS NOT NULL AS is_disabled
FROM access.passkey JOIN access.account ON account.name = passkey.account
WHERE passkey.credential_id = %(credential_id)s FOR UPDATE OF passkey;

-- name: select_owner
-- Locked, so that the number of passkeys of an account holds. `is_fresh`: the session is young enough to add one.
SELECT account.password_hash IS NOT NULL AS has_password,
       (SELECT count(*) FROM access.passkey WHERE passkey.account = account.name AND removed_at IS NULL) AS passkeys,
       session.created_at > now() - %(fresh_seconds)s * interval '1 second' AS is_fresh
FROM access.account JOIN access.session ON session.account = account.name
WHERE session.token_sha256 = %(token)s AND session.expires_at > now() AND account.disabled_at IS NULL
FOR UPDATE OF account;

-- name: insert_passkey
INSERT INTO access.passkey (id, account, name, credential_id, public_key, sign_count)
VALUES (%(id)s, %(account)s, %(name)s, %(credential_id)s, %(public_key)s, %(sign_count)s)
ON CONFLICT (credential_id) DO NOTHING;

-- name: record_use
UPDATE access.passkey SET sign_count = %(sign_count)s, last_used_at = now() WHERE id = %(id)s;

-- name: remove_passkey
UPDATE access.passkey SET removed_at = now()
WHERE id = %(id)s AND removed_at IS NULL AND (%(account)s::text IS NULL OR account = %(account)s);

-- name: delete_expired_challenges
DELETE FROM access.used_challenge WHERE expires_at < now();

-- name: use_challenge
INSERT INTO access.used_challenge (challenge, expires_at)
VALUES (%(challenge)s, now() + %(seconds)s * interval '1 second') ON CONFLICT DO NOTHING;
