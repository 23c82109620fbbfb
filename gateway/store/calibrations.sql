-- Calibrations: versions are added, and never changed. Run by `piekwacht calibration`.

-- name: lock_node
-- One new version at a time.
SELECT id FROM node WHERE id = %(node)s FOR UPDATE

-- name: select_unit
SELECT unit FROM observed_property WHERE id = %(observed_property)s

-- name: insert_calibration
INSERT INTO calibration (node_id, property_id, version, valid_from, valid_until, sensor_model, serial, "offset", slope,
                         humidity_slope, kappa, uncertainty, source, author)
SELECT %(node)s, %(observed_property)s, coalesce(max(version), 0) + 1, %(valid_from)s, %(valid_until)s, %(sensor_model)s,
       %(serial)s, %(offset)s, %(slope)s, %(humidity_slope)s, %(kappa)s, %(uncertainty)s, %(source)s, %(author)s
FROM calibration WHERE node_id = %(node)s AND property_id = %(observed_property)s
RETURNING version

-- name: select_calibrations_of
SELECT node_id AS node, property_id AS observed_property, version, valid_from, valid_until, sensor_model, serial, "offset",
       slope, humidity_slope, kappa, uncertainty, source, author
FROM calibration
WHERE (%(node)s::text IS NULL OR node_id = %(node)s)
  AND (%(observed_property)s::text IS NULL OR property_id = %(observed_property)s)
ORDER BY node_id, property_id, version
