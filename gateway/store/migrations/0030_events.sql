-- An event's whole life, what stood around it, and what is needed to find it again from the same bytes.

ALTER TABLE event DROP CONSTRAINT event_change_check;
ALTER TABLE event ADD CONSTRAINT event_change_check
    CHECK (change IN ('opened', 'updated', 'ended', 'voided', 'merged'));
ALTER TABLE event
    ADD COLUMN merged_into text,                            -- the regional event that this one was the beginning of
    ADD COLUMN state_hash text NOT NULL DEFAULT '',         -- of all that the detector knew at the newest change
    ADD COLUMN around jsonb NOT NULL DEFAULT '{}'::jsonb;   -- neighbours, wind, sites upwind, and a sentence a language

CREATE TABLE detector (                   -- every detector that ran here, with its parameters
    name       text PRIMARY KEY,          -- name@version#hash of the parameters
    parameters jsonb NOT NULL,
    since      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE checkpoint (                 -- what a gateway knew of all its datastreams before a batch, about hourly
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    detector     text NOT NULL REFERENCES detector,
    areas        text[] NOT NULL,         -- whose topics the gateway took in; '*': all
    before_batch bigint NOT NULL,
    newest       timestamptz NOT NULL,    -- no state had seen a later reading
    ids          int[] NOT NULL,          -- datastreams, in the order of the states
    quality      bytea NOT NULL,          -- states one after the other, compressed (zlib)
    detection    bytea NOT NULL,
    made_at      timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX checkpoint_by_batch ON checkpoint (detector, before_batch);

CREATE TABLE gap (                        -- late readings that were stored and not yet detected on
    datastream_id int PRIMARY KEY REFERENCES datastream,
    since         timestamptz NOT NULL,
    until         timestamptz NOT NULL,
    changed_at    timestamptz NOT NULL DEFAULT now()
);
