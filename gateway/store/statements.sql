-- name: select_site
SELECT id FROM site WHERE id = %(site)s

-- name: insert_value
-- A value that is stored already stays as it is: the caller compares it.
INSERT INTO site_value (site_id, stack, substance, starts_at, seconds, value, unit, status)
VALUES (%(site)s, %(stack)s, %(substance)s, %(start)s, %(seconds)s, %(value)s, %(unit)s, %(status)s)
ON CONFLICT (site_id, stack, substance, starts_at, seconds) DO NOTHING RETURNING 1

-- name: select_value
SELECT value, unit, status FROM site_value
WHERE site_id = %(site)s AND stack = %(stack)s AND substance = %(substance)s AND starts_at = %(start)s
  AND seconds = %(seconds)s

-- name: update_value
UPDATE site_value SET value = %(value)s, unit = %(unit)s, status = %(status)s, imported_at = now()
WHERE site_id = %(site)s AND stack = %(stack)s AND substance = %(substance)s AND starts_at = %(start)s
  AND seconds = %(seconds)s

-- name: update_report
UPDATE site_report SET reported_at = %(reported_at)s, began_at = %(start)s, ended_at = %(end)s, summary = %(summary)s,
    source = %(source)s, imported_at = now()
WHERE site_id = %(site)s AND id = %(id)s

-- name: insert_report
INSERT INTO site_report (site_id, id, reported_at, began_at, ended_at, summary, source)
VALUES (%(site)s, %(id)s, %(reported_at)s, %(start)s, %(end)s, %(summary)s, %(source)s)
ON CONFLICT (site_id, id) DO NOTHING RETURNING 1

-- name: select_report
SELECT reported_at, began_at AS start, ended_at AS "end", summary, source FROM site_report WHERE site_id = %(site)s AND id = %(id)s

-- name: insert_comparison
INSERT INTO complaint_comparison (
    area_id, starts_at, ends_at, source, persons, fitting, after_notice, slots_both, slots_event, slots_complaint,
    slots_neither, expected, chance)
VALUES (
    %(area)s, %(start)s, %(end)s, %(source)s, %(persons)s, %(fitting)s, %(after_notice)s, %(both)s, %(event_only)s,
    %(complaint_only)s, %(neither)s, %(expected)s, %(chance)s)
RETURNING id

-- name: insert_count
INSERT INTO complaint_count (comparison_id, event_id, persons, after_notice)
VALUES (%(comparison)s, %(event)s, %(persons)s, %(after_notice)s)
