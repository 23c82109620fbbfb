-- observed_at holds the time that is believed. Batches of a wrong clock move there once an anchor of their boot is known.

ALTER TABLE observation ADD COLUMN stamped_at timestamptz;  -- the node's own stamp of a row that was dated again; NULL: observed_at

DROP VIEW observation_resolved;

ALTER TABLE clock_anchor
    ADD COLUMN mono   bigint  NOT NULL DEFAULT 0,     -- time since boot of the batch that gave the offset, ms
    ADD COLUMN synced boolean NOT NULL DEFAULT true;  -- false: an unset clock that agreed with the gateway's, to within two minutes

ALTER TABLE clock_suspect
    ALTER COLUMN offset_ms DROP NOT NULL,             -- NULL: the node reports no time since boot, so nothing can date the batch
    ADD COLUMN doubt      text,                       -- why its stamps were not believed when it arrived; NULL: they were
    ADD COLUMN first_at   timestamptz,                -- earliest and latest stamp of the node
    ADD COLUMN last_at    timestamptz,
    ADD COLUMN is_pending boolean NOT NULL DEFAULT false;  -- an anchor is known that `shift_ms` does not follow yet

COMMENT ON COLUMN clock_suspect.shift_ms IS 'what was added to the stamps to get observed_at, ms; NULL: not dated';

-- Until now a shift was only noted: no row has moved, and every batch of an unset clock is dated at the next start.
UPDATE clock_suspect s SET shift_ms = NULL, doubt = 'unconfirmed', first_at = o.first_at, last_at = o.last_at
FROM (SELECT batch_id, min(observed_at) AS first_at, max(observed_at) AS last_at FROM observation
      WHERE batch_id IN (SELECT batch_id FROM clock_suspect) GROUP BY batch_id) o
WHERE o.batch_id = s.batch_id;
UPDATE clock_suspect s SET is_pending = true FROM clock_anchor a
WHERE (a.node_id, a.boot) = (s.node_id, s.boot) AND s.first_at IS NOT NULL;

DROP INDEX clock_suspect_open;
CREATE INDEX clock_suspect_by_boot ON clock_suspect (node_id, boot);
CREATE INDEX clock_suspect_pending ON clock_suspect (batch_id) WHERE is_pending;
CREATE INDEX clock_suspect_undated ON clock_suspect (node_id) WHERE shift_ms IS NULL AND doubt IS NOT NULL;

-- A node whose live batches have stamps that are not believed: its station counts as silent since then.

ALTER TABLE node_status
    ADD COLUMN undated_since  timestamptz,            -- NULL: the stamps of its newest live batch are believed
    ADD COLUMN clock_error_ms bigint;                 -- its stamps minus the gateway's clock, when it last sent such a batch

CREATE OR REPLACE VIEW alerting.heard AS  -- each station in use, and when anything with a believable time last came from one of its nodes
SELECT s.id AS station, s.area_id AS area, s.name, round(s.latitude::numeric, 3)::float8 AS latitude,
       round(s.longitude::numeric, 3)::float8 AS longitude, max(least(n.last_seen, n.undated_since)) AS last_heard
FROM public.station s
JOIN public.installation i ON i.station_id = s.id AND i.until IS NULL
JOIN public.node_status n ON n.node_id = i.node_id
GROUP BY s.id;
