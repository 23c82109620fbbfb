-- The detector judged on copies of live streams with synthetic peaks in them. None of it is an observation or an event.

CREATE TABLE selftest_hour (               -- hours that were examined, each once for each detector
    area_id     text NOT NULL REFERENCES area,
    detector    text NOT NULL,
    hour        timestamptz NOT NULL,
    examined_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (area_id, detector, hour)
);

CREATE TABLE selftest_peak (               -- every synthetic peak and what became of it
    area_id       text NOT NULL,
    detector      text NOT NULL,
    hour          timestamptz NOT NULL,
    copy          int NOT NULL,
    property_id   text NOT NULL REFERENCES observed_property,
    station_id    text NOT NULL REFERENCES station,
    interval_s    int NOT NULL,            -- between the stream's readings, nominal
    onset         timestamptz NOT NULL,    -- when it first stood above a tenth of its height, and last
    ends_at       timestamptz NOT NULL,
    shape         double precision NOT NULL,
    multiple      double precision NOT NULL,  -- height in units of the stream's own noise
    height        double precision NOT NULL,
    outcome       text NOT NULL CHECK (outcome IN ('found', 'missed', 'obscured', 'silent')),
    called        text,                    -- the kind of the event, where there was one
    delay_s       double precision,
    size_ratio    double precision,        -- excess as found, of the largest reading's
    PRIMARY KEY (area_id, detector, hour, property_id, copy),
    FOREIGN KEY (area_id, detector, hour) REFERENCES selftest_hour
);
CREATE INDEX selftest_peak_by_hour ON selftest_peak (detector, hour);

CREATE TABLE selftest_exposure (           -- how much was watched without synthetic peaks, and what the detector said of it
    area_id     text NOT NULL,
    detector    text NOT NULL,
    hour        timestamptz NOT NULL,
    property_id text NOT NULL REFERENCES observed_property,
    interval_s  int NOT NULL,
    sensor_days double precision NOT NULL,
    peaks       int NOT NULL,              -- events of kind peak that began here
    alone       int NOT NULL,              -- of these no neighbour rose: false, or a real peak at one place
    PRIMARY KEY (area_id, detector, hour, property_id, interval_s),
    FOREIGN KEY (area_id, detector, hour) REFERENCES selftest_hour
);
CREATE INDEX selftest_exposure_by_hour ON selftest_exposure (detector, hour);
