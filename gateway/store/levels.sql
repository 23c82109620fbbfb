-- name: upsert_level
INSERT INTO published_level (id, substance, averaging, value, consecutive_hours, source, edition, published)
VALUES (%(id)s, %(substance)s, %(averaging)s, %(value)s, %(consecutive_hours)s, %(source)s, %(edition)s, %(published)s)
ON CONFLICT (id) DO UPDATE SET substance = excluded.substance, averaging = excluded.averaging, value = excluded.value,
    consecutive_hours = excluded.consecutive_hours, source = excluded.source, edition = excluded.edition,
    published = excluded.published
