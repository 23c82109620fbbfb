-- name: select_contact_by_address
SELECT id, confirmed_at IS NOT NULL AS is_confirmed FROM subscriptions.contact
WHERE kind = %(kind)s AND lower(address) = lower(%(address)s)

-- name: upsert_email_contact
-- Another subscription of the same address belongs to the same contact.
INSERT INTO subscriptions.contact AS c (kind, address, language) VALUES ('email', %(address)s, %(language)s)
ON CONFLICT (kind, lower(address)) DO UPDATE SET language = CASE WHEN c.confirmed_at IS NULL THEN excluded.language ELSE c.language END
RETURNING id

-- name: take_confirmation
-- At most one mail to confirm in ten minutes and three a day go to an address: nobody is flooded through us.
UPDATE subscriptions.contact
SET asked_count = CASE WHEN asked_at > now() - interval '1 day' THEN asked_count + 1 ELSE 1 END, asked_at = now()
WHERE id = %(contact)s
  AND (asked_at IS NULL OR asked_at <= now() - interval '1 day'
       OR (asked_count < 3 AND asked_at <= now() - make_interval(secs => %(pause)s)))
  AND (SELECT count(*) FROM subscriptions.subscription s WHERE s.contact_id = %(contact)s) < %(most)s
RETURNING id

-- name: upsert_push_contact
INSERT INTO subscriptions.contact (kind, address, push_key, push_secret, language, confirmed_at)
VALUES ('push', %(address)s, %(key)s, %(secret)s, %(language)s, now())
ON CONFLICT (kind, lower(address)) DO UPDATE
SET push_key = excluded.push_key, push_secret = excluded.push_secret, language = excluded.language
RETURNING id

-- name: renew_browser
-- Nothing happens if the new endpoint is a contact already: it has subscriptions of its own.
WITH renewed AS (
    UPDATE subscriptions.contact c SET address = %(address)s, push_key = %(key)s, push_secret = %(secret)s
    WHERE c.kind = 'push' AND c.address = %(former)s
      AND NOT EXISTS (SELECT FROM subscriptions.contact o
                      WHERE o.kind = 'push' AND lower(o.address) = lower(%(address)s) AND o.id <> c.id)
    RETURNING c.id
)
UPDATE subscriptions.notice n SET provider = %(provider)s FROM renewed WHERE n.contact_id = renewed.id

-- name: insert_subscription
INSERT INTO subscriptions.subscription (contact_id, place_kind, place, latitude, longitude, radius, property, level, cadence,
                                        quiet_from, quiet_until, wakes, confirmed_at)
SELECT %(contact)s, %(place_kind)s, %(place)s, %(latitude)s, %(longitude)s, %(radius)s, %(property)s, %(level)s, %(cadence)s,
       %(quiet_from)s, %(quiet_until)s, %(wakes)s, CASE WHEN %(confirmed)s THEN now() END
WHERE (SELECT count(*) FROM subscriptions.subscription s WHERE s.contact_id = %(contact)s) < %(most)s
RETURNING id

-- name: insert_notice
INSERT INTO subscriptions.notice (push_id, contact_id, provider, reason, subscription_id)
VALUES (%(push_id)s, %(contact)s, %(provider)s, %(reason)s, %(subscription)s)

-- name: notify_senders
SELECT pg_notify('piekwacht_subscriptions', '')

-- name: select_pending
SELECT s.id, s.place_kind, coalesce(p.name, s.place) AS place, s.latitude, s.longitude, s.radius, s.property, s.level,
       s.cadence, s.quiet_from, s.quiet_until, s.wakes, s.confirmed_at
FROM subscriptions.subscription s LEFT JOIN subscriptions.place p ON p.kind = s.place_kind AND p.id = s.place
WHERE s.id = %(subscription)s AND s.contact_id = %(contact)s

-- name: confirm
WITH confirmed AS (
    UPDATE subscriptions.subscription SET confirmed_at = coalesce(confirmed_at, now())
    WHERE id = %(subscription)s AND contact_id = %(contact)s RETURNING contact_id
)
UPDATE subscriptions.contact c SET confirmed_at = coalesce(c.confirmed_at, now())
FROM confirmed WHERE c.id = confirmed.contact_id RETURNING c.id

-- name: select_contact
SELECT id, kind, address, language, created_at, confirmed_at, paused_at FROM subscriptions.contact WHERE id = %(contact)s

-- name: select_subscriptions
SELECT s.id, s.place_kind, coalesce(p.name, s.place) AS place, s.latitude, s.longitude, s.radius, s.property, s.level,
       s.cadence, s.quiet_from, s.quiet_until, s.wakes, s.confirmed_at
FROM subscriptions.subscription s LEFT JOIN subscriptions.place p ON p.kind = s.place_kind AND p.id = s.place
WHERE s.contact_id = %(contact)s ORDER BY s.created_at, s.id

-- name: select_deliveries
-- The notices of the last 90 days, for the person whose they are.
SELECT d.ended_at AS at, d.channel, d.reason, d.plume, d.outcome, t.content AS text
FROM subscriptions.delivery d
JOIN subscriptions.contact c ON c.pseudonym = d.pseudonym
LEFT JOIN subscriptions.sent_text t ON t.sha256 = d.text_sha256
WHERE c.id = %(contact)s AND d.ended_at > now() - interval '90 days' ORDER BY d.ended_at DESC LIMIT 1000

-- name: set_paused
UPDATE subscriptions.contact SET paused_at = CASE WHEN %(paused)s THEN coalesce(paused_at, now()) END WHERE id = %(contact)s

-- name: update_subscription
UPDATE subscriptions.subscription
SET level = %(level)s, cadence = %(cadence)s, quiet_from = %(quiet_from)s, quiet_until = %(quiet_until)s, wakes = %(wakes)s
WHERE id = %(subscription)s AND contact_id = %(contact)s

-- name: delete_subscription
DELETE FROM subscriptions.subscription WHERE id = %(subscription)s AND contact_id = %(contact)s

-- name: erase_contact
DELETE FROM subscriptions.contact WHERE id = %(contact)s

-- name: erase_address
DELETE FROM subscriptions.contact WHERE lower(address) = lower(%(address)s)

-- name: count_contacts
SELECT kind, count(*) FILTER (WHERE confirmed_at IS NOT NULL) AS confirmed, count(*) FILTER (WHERE confirmed_at IS NULL) AS waiting,
       count(*) FILTER (WHERE paused_at IS NOT NULL) AS paused
FROM subscriptions.contact GROUP BY kind ORDER BY kind
