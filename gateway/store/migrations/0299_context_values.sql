-- Values of other networks beside curves, with their source. They are in no mean, event or alert.
-- docs/adr/0202-context-of-other-networks.md

CREATE TABLE context_station (
    source      text NOT NULL,
    id          text NOT NULL,
    area_id     text NOT NULL REFERENCES area,
    name        text NOT NULL,
    attribution text NOT NULL CHECK (attribution <> ''),
    PRIMARY KEY (source, id, area_id)
);
COMMENT ON TABLE context_station IS 'stations of KNMI and Luchtmeetnet that the pages of an area show';

CREATE TABLE context_value (
    source            text NOT NULL,
    station           text NOT NULL,
    observed_property text NOT NULL,
    starts_at         timestamptz NOT NULL,
    seconds           int NOT NULL CHECK (seconds > 0),
    value             double precision NOT NULL,
    unit              text NOT NULL,
    imported_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source, station, observed_property, starts_at, seconds)
);
COMMENT ON TABLE context_value IS 'means over `seconds` as the network published them last';
