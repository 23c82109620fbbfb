-- Samples that a laboratory analysed, imported by an operator, for the Hazard Index. docs/adr/0199-hazard-index-of-a-year.md

CREATE TABLE laboratory_sample (
    station_id  text NOT NULL REFERENCES station,
    substance   text NOT NULL CHECK (substance <> ''),
    starts_at   timestamptz NOT NULL,
    ends_at     timestamptz NOT NULL CHECK (ends_at > starts_at),
    value       double precision NOT NULL CHECK (value >= 0 AND value < 1e9),
    uncertainty double precision NOT NULL CHECK (uncertainty >= 0),
    laboratory  text NOT NULL CHECK (laboratory <> ''),
    method      text NOT NULL DEFAULT '',
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station_id, substance, starts_at, ends_at)
);
COMMENT ON TABLE laboratory_sample IS 'mean of a substance over a sample in ug/m3; uncertainty is relative and expanded';
