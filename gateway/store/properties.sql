-- name: insert_missing_property
INSERT INTO observed_property (id, unit, name_nl, name_en, lower, upper, max_rise, severity, averaging)
VALUES (%(id)s, %(unit)s, %(name_nl)s, %(name_en)s, %(lower)s, %(upper)s, %(max_rise)s, %(severity)s, %(averaging)s)
ON CONFLICT (id) DO NOTHING
