-- What the operators of watched sites state themselves: their half-hour values, and their reports of incidents. Both are
-- shown beside events and never mixed with measurements. docs/adr/0200-statements-of-sites.md

CREATE TABLE site_value (
    site_id     text NOT NULL REFERENCES site,
    stack       text NOT NULL CHECK (stack <> ''),
    substance   text NOT NULL CHECK (substance <> ''),
    starts_at   timestamptz NOT NULL,
    seconds     int NOT NULL CHECK (seconds > 0),
    value       double precision,
    unit        text NOT NULL CHECK (unit <> ''),
    status      text NOT NULL,
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, stack, substance, starts_at, seconds)
);
COMMENT ON TABLE site_value IS 'means over `seconds` that the operator of a site measured in a stack, as imported';
CREATE INDEX ON site_value (site_id, starts_at);

CREATE TABLE site_report (
    site_id     text NOT NULL REFERENCES site,
    id          text NOT NULL CHECK (id <> ''),
    reported_at timestamptz NOT NULL,
    began_at    timestamptz NOT NULL CHECK (began_at <= reported_at),
    ended_at    timestamptz CHECK (ended_at >= began_at),
    summary     text NOT NULL,
    source      text NOT NULL CHECK (source <> ''),
    imported_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (site_id, id)
);
COMMENT ON TABLE site_report IS 'incidents that the operator of a site reported itself, with the place where that was published';
CREATE INDEX ON site_report (reported_at);
