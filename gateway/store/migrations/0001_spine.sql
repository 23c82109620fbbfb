-- The spine's tables. Times are timestamptz (UTC); values are raw, in the property's unit.

-- Who and where ---------------------------------------------------------------------------------

CREATE TABLE area (
    id        text PRIMARY KEY,
    name      text NOT NULL,
    authority text NOT NULL,              -- the omgevingsdienst whose jurisdiction this is
    outline   jsonb NOT NULL              -- GeoJSON geometry, CRS84
);

CREATE TABLE site (                       -- a watched facility
    id        text PRIMARY KEY,
    area_id   text NOT NULL REFERENCES area,
    name      text NOT NULL,
    operator  text NOT NULL,
    latitude  double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180)
);

CREATE TABLE station (                    -- public identity of a place; the exact position never leaves for the public
    id        text PRIMARY KEY,
    area_id   text NOT NULL REFERENCES area,
    name      text NOT NULL,
    latitude  double precision NOT NULL CHECK (latitude BETWEEN -90 AND 90),
    longitude double precision NOT NULL CHECK (longitude BETWEEN -180 AND 180)
);

CREATE TABLE node (
    id           text PRIMARY KEY,
    area_id      text NOT NULL REFERENCES area,
    verifier_key text NOT NULL,           -- <name>+<key id>+<base64>, see edge_agent.signing
    enrolled_at  timestamptz NOT NULL DEFAULT now(),
    revoked_at   timestamptz
);

CREATE TABLE installation (               -- which node stood at which station, from when to when
    node_id    text NOT NULL REFERENCES node,
    station_id text NOT NULL REFERENCES station,
    since      timestamptz NOT NULL DEFAULT now(),
    until      timestamptz,
    PRIMARY KEY (node_id, since)
);
CREATE UNIQUE INDEX installation_current ON installation (node_id) WHERE until IS NULL;

CREATE TABLE observed_property (          -- an open registry: adding a property is a row, not code
    id       text PRIMARY KEY,
    unit     text NOT NULL,               -- UCUM
    name_nl  text NOT NULL,
    name_en  text NOT NULL,
    lower    double precision,            -- outside [lower, upper] a value is flagged out_of_range
    upper    double precision,
    max_rise double precision,            -- a larger change between two readings is flagged jump
    severity double precision[] CHECK (cardinality(severity) = 4)  -- excess from which an event is minor, moderate, severe, extreme
);

CREATE TABLE datastream (
    id          int GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station_id  text NOT NULL REFERENCES station,
    node_id     text NOT NULL REFERENCES node,
    property_id text NOT NULL REFERENCES observed_property,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (node_id, property_id, station_id)
);

CREATE TABLE registry_version (           -- one row: counts changes to the tables above, so that running processes notice
    version bigint NOT NULL
);
INSERT INTO registry_version VALUES (1);

CREATE FUNCTION registry_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE registry_version SET version = version + 1;
    RETURN NULL;
END $$;

DO $$
DECLARE
    changed text;
BEGIN
    FOREACH changed IN ARRAY ARRAY['area', 'site', 'station', 'node', 'installation', 'observed_property'] LOOP
        EXECUTE format('CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON %I
                        FOR EACH STATEMENT EXECUTE FUNCTION registry_changed()', changed);
    END LOOP;
END $$;

-- What was received -----------------------------------------------------------------------------

CREATE TABLE batch (                      -- every signed ReadingBatch that was accepted, byte for byte: the evidence
    id           bigint PRIMARY KEY,
    node_id      text NOT NULL,
    incarnation  text NOT NULL,
    seq          bigint NOT NULL,
    sha256       bytea NOT NULL,
    payload      bytea NOT NULL,
    boot         text NOT NULL,
    mono         bigint NOT NULL,
    clock        text NOT NULL,
    hist         boolean NOT NULL,
    received_at  timestamptz NOT NULL,
    committed_at timestamptz NOT NULL     -- the clock at the end of the transaction, just before COMMIT
);
CREATE UNIQUE INDEX batch_key ON batch (node_id, incarnation, seq);
CREATE SEQUENCE batch_id;

CREATE TABLE ledger (                     -- which sequence numbers are committed: what makes "exactly once" exact
    node_id     text NOT NULL,
    incarnation text NOT NULL,
    received    int8multirange NOT NULL,
    updated_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node_id, incarnation)
);

CREATE TABLE observation (                -- no unique key on time: a clock that stepped back must not lose readings; the ledger keeps them single
    datastream_id int NOT NULL,
    observed_at   timestamptz NOT NULL,   -- the node's own stamp, never rewritten
    value         double precision,       -- NULL: the sensor gave none, the flags say why
    flags         int NOT NULL,
    batch_id      bigint NOT NULL         -- traces the number to its signed batch; with it, the order of arrival is kept
);
CREATE INDEX observation_by_time ON observation (datastream_id, observed_at DESC);

CREATE TABLE quarantine (                 -- what could not be decoded, verified or placed; nothing is thrown away
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    received_at timestamptz NOT NULL,
    topic       text NOT NULL,
    reason      text NOT NULL,
    detail      text NOT NULL,
    payload     bytea NOT NULL
);

CREATE TABLE node_status (                -- newest status and health message of each node
    node_id   text PRIMARY KEY,
    last_seen timestamptz NOT NULL,
    online    boolean,
    status    jsonb,
    health    jsonb
);

-- What was found --------------------------------------------------------------------------------

CREATE TABLE datastream_state (           -- quality and detector state, so that a restart changes nothing
    datastream_id int NOT NULL REFERENCES datastream,
    component     text NOT NULL,          -- 'quality' or the detector's name@version#hash
    state         bytea NOT NULL,
    PRIMARY KEY (datastream_id, component)
);

CREATE TABLE event (                      -- the newest revision of every event
    id            text PRIMARY KEY,
    revision      int NOT NULL,
    change        text NOT NULL CHECK (change IN ('opened', 'updated', 'ended', 'voided')),
    kind          text NOT NULL,
    datastream_id int NOT NULL REFERENCES datastream,
    area_id       text NOT NULL REFERENCES area,
    station_id    text NOT NULL REFERENCES station,
    property_id   text NOT NULL REFERENCES observed_property,
    severity      text NOT NULL,
    onset         timestamptz NOT NULL,
    peak_at       timestamptz NOT NULL,
    detected_at   timestamptz NOT NULL,
    ended_at      timestamptz,            -- NULL: still open
    peak          double precision NOT NULL,
    background    double precision NOT NULL,
    excess        double precision NOT NULL,
    noise         double precision NOT NULL,
    confidence    double precision NOT NULL,
    reasons       text[] NOT NULL,
    detector      text NOT NULL,
    detected_late boolean NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX event_by_onset ON event (onset DESC, id);
CREATE INDEX event_open ON event (area_id) WHERE ended_at IS NULL;

CREATE TABLE event_revision (             -- every revision as it was, append-only
    event_id   text NOT NULL,
    revision   int NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    body       jsonb NOT NULL,
    PRIMARY KEY (event_id, revision)
);

CREATE SEQUENCE live_id;                  -- one number a commit; the live feed's resume point
