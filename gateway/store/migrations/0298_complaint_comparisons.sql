-- Outcomes of `piekwacht complaints compare --store`: counts alone, nothing of a complaint. docs/adr/0201-counts-of-complaints.md

CREATE TABLE complaint_comparison (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id         text NOT NULL REFERENCES area,
    starts_at       timestamptz NOT NULL,
    ends_at         timestamptz NOT NULL CHECK (ends_at > starts_at),
    source          text NOT NULL CHECK (source <> ''),
    persons         int NOT NULL,
    fitting         int NOT NULL,
    after_notice    int NOT NULL,
    slots_both      int NOT NULL,
    slots_event     int NOT NULL,
    slots_complaint int NOT NULL,
    slots_neither   int NOT NULL,
    expected        double precision,
    chance          double precision,
    compared_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX ON complaint_comparison (area_id, starts_at, ends_at);
COMMENT ON TABLE complaint_comparison IS 'persons per half hour, and half hours with an event, a fitting complaint, one or neither';

CREATE TABLE complaint_count (
    comparison_id bigint NOT NULL REFERENCES complaint_comparison,
    event_id      text NOT NULL,
    persons       int NOT NULL CHECK (persons >= 0),
    after_notice  int NOT NULL CHECK (after_notice >= 0),
    PRIMARY KEY (comparison_id, event_id)
);
COMMENT ON TABLE complaint_count IS 'persons whose complaints fit an event; an event of the period without a row has none';
CREATE INDEX ON complaint_count (event_id);
