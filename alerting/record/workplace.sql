-- name: save_filter
INSERT INTO alerting.saved_filter (account, name, query)
SELECT %(account)s, %(name)s, %(query)s
WHERE (SELECT count(*) FROM alerting.saved_filter WHERE account = %(account)s AND name <> %(name)s) < 50
ON CONFLICT (account, name) DO UPDATE SET query = excluded.query

-- name: delete_filter
DELETE FROM alerting.saved_filter WHERE account = %(account)s AND name = %(name)s

-- name: insert_handover
INSERT INTO alerting.handover (areas, author, successor, text, plumes)
VALUES (%(areas)s, %(author)s, %(successor)s, %(text)s, %(plumes)s)

-- name: select_handovers
-- The newest that concern one of these areas; NULL: every area.
SELECT areas, author, successor, text, plumes, written_at FROM alerting.handover
WHERE %(areas)s::text[] IS NULL OR areas && (%(areas)s::text[] || ARRAY['*'])
ORDER BY written_at DESC, id DESC LIMIT 10
