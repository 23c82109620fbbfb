-- Calibrations of sensors: versions are added and never changed, and each is a leaf of the public log. docs/adr/0130-calibrations.md

CREATE TABLE calibration (                -- see gateway/quality/calibration.py
    node_id        text NOT NULL REFERENCES node,
    property_id    text NOT NULL REFERENCES observed_property,
    version        int NOT NULL CHECK (version > 0),
    valid_from     timestamptz NOT NULL CHECK (extract(epoch FROM valid_from)::numeric % 3600 = 0),
    valid_until    timestamptz CHECK (extract(epoch FROM valid_until)::numeric % 3600 = 0),
    sensor_model   text NOT NULL,
    serial         text,
    "offset"       double precision NOT NULL CHECK (abs("offset") <= 1e9),
    slope          double precision NOT NULL CHECK (abs(slope) BETWEEN 1e-9 AND 1e9),
    humidity_slope double precision NOT NULL CHECK (abs(humidity_slope) <= 1e9),
    kappa          double precision NOT NULL CHECK (kappa BETWEEN 0 AND 10),
    uncertainty    double precision CHECK (uncertainty BETWEEN 0 AND 1e9),
    source         text NOT NULL,
    author         text NOT NULL,
    recorded_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (node_id, property_id, version),
    CHECK (valid_until > valid_from)
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON calibration
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER registry_changed AFTER INSERT ON calibration
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();

ALTER TABLE log_source DROP CONSTRAINT log_source_kind_check;
ALTER TABLE log_source ADD CONSTRAINT log_source_kind_check
    CHECK (kind IN ('node-key', 'event', 'delivery', 'removed', 'calibration'));

CREATE FUNCTION queue_calibration() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_source (area_id, kind, body)
    SELECT n.area_id, 'calibration', to_jsonb(NEW) || jsonb_build_object('unit', p.unit)
    FROM node n JOIN observed_property p ON p.id = NEW.property_id WHERE n.id = NEW.node_id;
    RETURN NULL;
END $$;
CREATE TRIGGER queue_leaf AFTER INSERT ON calibration FOR EACH ROW EXECUTE FUNCTION queue_calibration();
