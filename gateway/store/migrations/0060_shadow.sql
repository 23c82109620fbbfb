-- A second detector beside the live one: how far it has come, what it knows, what it found. Nothing here ever alerts.

CREATE TABLE shadow (
    name         text PRIMARY KEY,         -- [shadow] name
    detector     text NOT NULL REFERENCES detector,
    first_batch  bigint NOT NULL,          -- where it began with these settings
    next_batch   bigint NOT NULL,          -- every earlier batch was followed exactly once
    ids          int[] NOT NULL,           -- datastreams, in the order of the states
    quality      bytea NOT NULL,           -- states one after the other, compressed (zlib)
    detection    bytea NOT NULL,
    newest       timestamptz NOT NULL,     -- of what was followed: when the newest batch was committed
    since        timestamptz NOT NULL      -- and the first one
);

CREATE TABLE shadow_event (                -- the newest revision of every event that a shadow found
    shadow       text NOT NULL,
    id           text NOT NULL,
    revision     int NOT NULL,
    detector     text NOT NULL,
    change       text NOT NULL,
    kind         text NOT NULL,
    station_id   text NOT NULL REFERENCES station,
    property_id  text NOT NULL REFERENCES observed_property,
    onset        timestamptz NOT NULL,
    ended_at     timestamptz,
    committed_at timestamptz NOT NULL,     -- of the newest batch followed when it was first found
    body         jsonb NOT NULL,           -- the whole event with its scores, as a live one is kept in event_revision
    PRIMARY KEY (shadow, id)
);
CREATE INDEX shadow_event_by_commit ON shadow_event (shadow, committed_at);
