-- Work on nodes: windows in which readings are flagged, sensors that were replaced, and the fits behind calibrations.

CREATE TABLE maintenance_window (         -- readings of the node in [starts_at, ends_at) get the flag maintenance
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id    text NOT NULL REFERENCES node,
    starts_at  timestamptz NOT NULL,
    ends_at    timestamptz NOT NULL,      -- brought forward if the work ends earlier
    reason     text NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_by   text,                      -- who brought the end forward
    CHECK (ends_at > starts_at AND ends_at <= starts_at + interval '31 days')
);
CREATE INDEX maintenance_by_node ON maintenance_window (node_id, starts_at);
CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON maintenance_window
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();

CREATE TABLE sensor_change (              -- from changed_at on another instrument measures these properties of the node
    id            bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    node_id       text NOT NULL REFERENCES node,
    properties    text[] NOT NULL CHECK (cardinality(properties) > 0),
    changed_at    timestamptz NOT NULL,
    former_serial text,
    model         text NOT NULL,
    serial        text,
    reason        text NOT NULL,
    recorded_by   text NOT NULL,
    recorded_at   timestamptz NOT NULL DEFAULT now()
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON sensor_change
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE TABLE calibration_fit (            -- how a version of a calibration was fitted; units of the property
    node_id      text NOT NULL,
    property_id  text NOT NULL,
    version      int NOT NULL,
    reference    text NOT NULL,           -- the station or file beside which it was measured
    started_at   timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL,
    hours        int NOT NULL CHECK (hours > 2),
    "offset"     double precision NOT NULL,
    slope        double precision NOT NULL,
    offset_error double precision NOT NULL, -- standard errors
    slope_error  double precision NOT NULL,
    r2           double precision NOT NULL,
    spread       double precision NOT NULL, -- standard deviation of the residuals
    shift        double precision NOT NULL, -- median relative change of a value; 0.5 is half
    PRIMARY KEY (node_id, property_id, version),
    FOREIGN KEY (node_id, property_id, version) REFERENCES calibration
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON calibration_fit
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
