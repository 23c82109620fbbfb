-- Alerts of one plume, over all its stations, are told as one (docs/adr/0133). An alert without a plume belongs to what
-- its station sees at that time.

ALTER TABLE alerting.plume ADD COLUMN key text;       -- id of the plume, or 'station ' and the station's id
UPDATE alerting.plume SET key = 'station ' || station;
ALTER TABLE alerting.plume ALTER COLUMN key SET NOT NULL;

DROP INDEX alerting.plume_open;
CREATE UNIQUE INDEX plume_open ON alerting.plume (key) WHERE closed_at IS NULL;
