-- One plume, several events: what one station sees at a time is told once, however many properties see it or however it flickers.

CREATE TABLE alerting.plume (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station   text NOT NULL,
    opened_at timestamptz NOT NULL DEFAULT now(),
    closed_at timestamptz                 -- NULL: an event of it goes on, or ended too short a while ago
);
CREATE UNIQUE INDEX plume_open ON alerting.plume (station) WHERE closed_at IS NULL;

CREATE TABLE alerting.member (            -- the events of a plume, by their newest decided revision
    event_id   text PRIMARY KEY,
    plume_id   bigint NOT NULL REFERENCES alerting.plume,
    revision   int NOT NULL,
    state      text NOT NULL CHECK (state IN ('open', 'ended', 'voided')),
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX member_of ON alerting.member (plume_id);

ALTER TABLE alerting.watch ADD COLUMN no_data_at timestamptz;  -- when it was told that the station fell silent

ALTER TABLE alerting.decision ALTER COLUMN decided_at SET DEFAULT clock_timestamp();  -- in the order they were made

CREATE TABLE alerting.digest (            -- days whose digest was made
    day     date PRIMARY KEY,
    made_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX decision_late ON alerting.decision (decided_at) WHERE reason = 'detected_late';

CREATE INDEX inbox_quiet ON alerting.inbox (event_id, revision) WHERE alert ->> 'kind' IN ('silent', 'undeliverable');

CREATE VIEW alerting.facility AS          -- watched facilities
SELECT name, area_id AS area, latitude, longitude FROM public.site;
