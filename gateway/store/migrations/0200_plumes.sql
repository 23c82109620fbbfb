-- Events that belong together are one plume, whose id is the id of the event that it began with (docs/adr/0133).

ALTER TABLE event ADD COLUMN plume_id text;    -- NULL: of a kind that never belongs to a plume

-- Earlier events: at one station, until there was none for five minutes. Which stations a plume reached is not known.
WITH gaps AS (
    SELECT e.id, e.area_id, e.station_id, e.kind, e.onset,
           e.onset > max(coalesce(e.ended_at, 'infinity')) OVER (
               PARTITION BY e.area_id, CASE WHEN e.kind = 'peak' THEN e.station_id END, e.kind ORDER BY e.onset, e.id
               ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) + interval '5 minutes' AS is_apart
    FROM event e WHERE e.kind IN ('peak', 'regional')
), islands AS (
    SELECT g.id, g.area_id, g.station_id, g.kind, g.onset,
           count(*) FILTER (WHERE g.is_apart) OVER (
               PARTITION BY g.area_id, CASE WHEN g.kind = 'peak' THEN g.station_id END, g.kind ORDER BY g.onset, g.id) AS island
    FROM gaps g
), plumes AS (
    SELECT i.id, first_value(i.id) OVER (
               PARTITION BY i.area_id, CASE WHEN i.kind = 'peak' THEN i.station_id END, i.kind, i.island
               ORDER BY i.onset, i.id) AS plume_id
    FROM islands i
)
UPDATE event e SET plume_id = p.plume_id FROM plumes p WHERE p.id = e.id;

-- Deferred: a transaction may store an event before the one that its plume is named after.
ALTER TABLE event ADD CONSTRAINT event_plume FOREIGN KEY (plume_id) REFERENCES event DEFERRABLE INITIALLY DEFERRED;

CREATE INDEX event_by_plume ON event (plume_id);
CREATE INDEX event_first_of_plume ON event (onset DESC, id DESC) WHERE id = plume_id;  -- plumes, the newest first
CREATE INDEX event_open_of_plume ON event (plume_id) WHERE ended_at IS NULL;
