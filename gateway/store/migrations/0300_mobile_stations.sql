-- Stations that move, and their tracks. Everything but `mobile_station` is computed from the signed batches and the readings,
-- and goes with the signed bytes of its batch. docs/adr/0203-mobile-stations.md

CREATE TABLE mobile_station (
    station_id  text PRIMARY KEY REFERENCES station CHECK (starts_with(station_id, 'mobile-')),
    vehicle     text NOT NULL CHECK (vehicle IN ('car', 'bicycle', 'boat', 'drone')),
    has_exhaust boolean NOT NULL,               -- its own engine can be measured
    is_private  boolean NOT NULL                -- of a resident: the ends of its tracks are shown to inspectors alone
);

CREATE TABLE followed_batch (                   -- which batches of the ledger have been read for positions
    node_id     text NOT NULL REFERENCES node,
    incarnation text NOT NULL,
    received    int8multirange NOT NULL,
    PRIMARY KEY (node_id, incarnation)
);

CREATE TABLE track_position (                   -- `pos` of the batches: WGS 84, degrees; altitude in metres
    station_id  text NOT NULL REFERENCES mobile_station,
    observed_at timestamptz NOT NULL,
    latitude    double precision NOT NULL,
    longitude   double precision NOT NULL,
    altitude    double precision NOT NULL,
    batch_id    bigint NOT NULL,
    PRIMARY KEY (station_id, observed_at)
);
CREATE INDEX track_position_by_batch ON track_position (batch_id);

CREATE TABLE track (                            -- a ride or a flight: positions with no gap of ten minutes between them
    id          text PRIMARY KEY,
    station_id  text NOT NULL REFERENCES mobile_station,
    area_id     text NOT NULL REFERENCES area,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL,
    shown_from  timestamptz,                    -- the part that anyone may read; NULL: nothing of it
    shown_until timestamptz,
    metres      double precision NOT NULL,      -- length of that part
    positions   int NOT NULL                    -- number of positions in it
);
CREATE INDEX track_by_time ON track (shown_from DESC, id) WHERE shown_from IS NOT NULL;
CREATE INDEX track_by_station ON track (station_id, began_at);

CREATE TABLE cell_pass (                        -- one passage of a track through a cell of 50 m
    track_id    text NOT NULL REFERENCES track ON DELETE CASCADE,
    area_id     text NOT NULL,
    property_id text NOT NULL REFERENCES observed_property,
    north       int NOT NULL,                   -- number of the cell, see gateway.tracks.cells
    east        int NOT NULL,
    day         date NOT NULL,                  -- legal day of the area in which it began
    readings    int NOT NULL,
    mean        double precision NOT NULL,
    background  double precision                -- mean of the background along the track; NULL: too few readings for one
);
-- The order in which cells are read, with all that is read of them: an area of a million passes needs no sort.
CREATE INDEX cell_pass_by_cell ON cell_pass (area_id, property_id, north, east) INCLUDE (day, mean, background, readings);
CREATE INDEX cell_pass_by_track ON cell_pass (track_id);

-- Positions, and the track that they belong to, go with the signed bytes that prove them.
CREATE FUNCTION forget_positions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM track t USING track_position p
    WHERE p.batch_id = NEW.id AND t.station_id = p.station_id AND p.observed_at BETWEEN t.began_at AND t.ended_at;
    DELETE FROM track_position WHERE batch_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER forget_positions AFTER UPDATE OF payload ON batch
    FOR EACH ROW WHEN (NEW.payload = '') EXECUTE FUNCTION forget_positions();

CREATE TRIGGER registry_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON mobile_station
    FOR EACH STATEMENT EXECUTE FUNCTION registry_changed();
