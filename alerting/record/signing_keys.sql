-- name: select_signing_keys
SELECT id, secret FROM alerting.signing_key WHERE retired_at IS NULL
