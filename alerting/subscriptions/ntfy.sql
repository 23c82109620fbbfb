-- name: delete_former_topics
-- Of a topic that the settings do not have any more. The record of its deliveries stays.
DELETE FROM subscriptions.contact WHERE kind = 'ntfy' AND address <> ALL(%(addresses)s::text[])

-- name: upsert_topics
INSERT INTO subscriptions.contact (kind, address, language, confirmed_at)
SELECT 'ntfy', address, %(language)s, now() FROM unnest(%(addresses)s::text[]) AS topic (address)
ON CONFLICT (kind, lower(address)) DO UPDATE SET language = excluded.language

-- name: delete_former_subscriptions
DELETE FROM subscriptions.subscription s
USING subscriptions.contact c, unnest(%(addresses)s::text[], %(areas)s::text[]) AS topic (address, area)
WHERE s.contact_id = c.id AND c.kind = 'ntfy' AND c.address = topic.address
  AND (s.place, s.level) <> (topic.area, %(level)s)

-- name: upsert_subscriptions
INSERT INTO subscriptions.subscription (contact_id, place_kind, place, level, cadence, confirmed_at)
SELECT c.id, 'area', topic.area, %(level)s, 'at_once', now()
FROM unnest(%(addresses)s::text[], %(areas)s::text[]) AS topic (address, area)
JOIN subscriptions.contact c ON c.kind = 'ntfy' AND c.address = topic.address
WHERE NOT EXISTS (SELECT FROM subscriptions.subscription s WHERE s.contact_id = c.id)
