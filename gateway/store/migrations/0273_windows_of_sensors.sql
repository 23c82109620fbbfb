-- A window of maintenance can be of some properties of a node: of one doubtful sensor, while the others count.

ALTER TABLE maintenance_window ADD COLUMN properties text[] NOT NULL DEFAULT '{}';  -- empty: all of the node
