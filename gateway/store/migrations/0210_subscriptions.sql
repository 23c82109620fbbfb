-- Subscriptions of residents. `contact` is the only table with addresses: deleting its row erases a person.

CREATE SCHEMA subscriptions;

CREATE TABLE subscriptions.contact (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    pseudonym     uuid NOT NULL UNIQUE DEFAULT gen_random_uuid(),  -- in records that stay after the contact is erased
    kind          text NOT NULL CHECK (kind IN ('email', 'push')),
    address       text NOT NULL CHECK (length(address) BETWEEN 3 AND 2000),  -- of a mailbox, or the endpoint of a browser
    push_key      bytea CHECK (length(push_key) = 65),   -- public key of the browser, P-256 (RFC 8291)
    push_secret   bytea CHECK (length(push_secret) = 16),  -- its authentication secret
    language      text NOT NULL CHECK (language IN ('nl', 'en')),
    created_at    timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    paused_at     timestamptz,
    asked_at      timestamptz,          -- when a confirmation was last sent
    asked_count   int NOT NULL DEFAULT 0,  -- confirmations sent on the day of `asked_at`
    CHECK ((kind = 'push') = (push_key IS NOT NULL) AND (kind = 'push') = (push_secret IS NOT NULL))
);
CREATE UNIQUE INDEX contact_address ON subscriptions.contact (kind, lower(address));
CREATE INDEX contact_unconfirmed ON subscriptions.contact (created_at) WHERE confirmed_at IS NULL;

CREATE TABLE subscriptions.subscription (
    id            uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    contact_id    uuid NOT NULL REFERENCES subscriptions.contact ON DELETE CASCADE,
    place_kind    text NOT NULL CHECK (place_kind IN ('area', 'station', 'circle')),
    place         text NOT NULL DEFAULT '',  -- id of the area or station
    latitude      float8,
    longitude     float8,
    radius        int,                  -- metres
    property      text NOT NULL DEFAULT '',  -- empty: every property
    level         text NOT NULL CHECK (level IN ('minor', 'moderate', 'severe', 'extreme')),
    cadence       text NOT NULL CHECK (cadence IN ('at_once', 'daily')),
    quiet_from    time,                 -- Dutch local time
    quiet_until   time,
    wakes         boolean NOT NULL DEFAULT false,  -- the strongest peaks pass the quiet hours
    created_at    timestamptz NOT NULL DEFAULT now(),
    confirmed_at  timestamptz,
    CHECK ((place_kind = 'circle') = (latitude IS NOT NULL AND longitude IS NOT NULL AND radius IS NOT NULL)),
    -- coarse enough that nobody's home follows from it
    CHECK (radius >= 500 AND latitude::numeric = round(latitude::numeric, 3) AND longitude::numeric = round(longitude::numeric, 3)),
    CHECK ((quiet_from IS NULL) = (quiet_until IS NULL) AND quiet_from IS DISTINCT FROM quiet_until OR quiet_from IS NULL)
);
CREATE INDEX subscription_contact ON subscriptions.subscription (contact_id);
CREATE INDEX subscription_unconfirmed ON subscriptions.subscription (created_at) WHERE confirmed_at IS NULL;

CREATE TABLE subscriptions.queue (      -- revisions of events about which nothing has been decided for subscribers
    event_id     text NOT NULL,
    revision     int NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (event_id, revision)
);

-- In the transaction that stores the event, so that none is forgotten. Nothing is queued while nobody subscribes.
CREATE FUNCTION subscriptions.enqueue() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM subscriptions.subscription WHERE confirmed_at IS NOT NULL) THEN
        INSERT INTO subscriptions.queue (event_id, revision) VALUES (NEW.event_id, NEW.revision) ON CONFLICT DO NOTHING;
        PERFORM pg_notify('piekwacht_subscriptions', '');
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER is_queued_for_subscribers AFTER INSERT ON alerting.inbox
    FOR EACH ROW EXECUTE FUNCTION subscriptions.enqueue();

CREATE TABLE subscriptions.plume_event (  -- events of plumes by the newest revision that was decided
    event_id text PRIMARY KEY,
    plume    text NOT NULL,
    revision int NOT NULL
);
CREATE INDEX plume_event_plume ON subscriptions.plume_event (plume);

CREATE TABLE subscriptions.plume (
    id         text PRIMARY KEY,
    end_due_at timestamptz,             -- when its end is to be decided; NULL: it goes on, or that has been done
    changed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX plume_end_due ON subscriptions.plume (end_due_at) WHERE end_due_at IS NOT NULL;

CREATE TABLE subscriptions.last_notice (  -- what a contact was last notified of about a plume
    contact_id   uuid NOT NULL REFERENCES subscriptions.contact ON DELETE CASCADE,
    plume        text NOT NULL,
    event_id     text NOT NULL,         -- the event that the notice led with
    severity     text NOT NULL,
    has_ended    boolean NOT NULL,      -- the notice said that the plume was over
    is_voided    boolean NOT NULL,      -- the notice said that there was no peak
    number       int NOT NULL,          -- notices about this plume
    notified_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (contact_id, plume)
);
CREATE INDEX last_notice_plume ON subscriptions.last_notice (plume);

CREATE TABLE subscriptions.held_plume ( -- plumes that a contact is notified of later, in one notice
    contact_id uuid NOT NULL REFERENCES subscriptions.contact ON DELETE CASCADE,
    plume      text NOT NULL,
    reason     text NOT NULL,
    release_at timestamptz NOT NULL,
    PRIMARY KEY (contact_id, plume)
);
CREATE INDEX held_plume_release ON subscriptions.held_plume (release_at);

CREATE TABLE subscriptions.notice (     -- waiting notices, each for one contact; a row goes when the notice is settled
    push_id         text PRIMARY KEY,   -- the same at every attempt: a browser drops a repeat
    contact_id      uuid NOT NULL REFERENCES subscriptions.contact ON DELETE CASCADE,
    provider        text NOT NULL,      -- `mail`, or the host of the push service
    reason          text NOT NULL,
    plume           text NOT NULL DEFAULT '',
    event_id        text NOT NULL DEFAULT '',  -- the event that the text leads with
    revision        int NOT NULL DEFAULT 0,
    lines           jsonb NOT NULL DEFAULT '[]',  -- of a summary: plume, event, revision and reason of each line
    subscription_id uuid REFERENCES subscriptions.subscription ON DELETE CASCADE,  -- that a mail asks to confirm
    committed_at    timestamptz,        -- when the event was stored; NULL: no event
    created_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    attempts        int NOT NULL DEFAULT 0,
    fence           bigint NOT NULL DEFAULT 0,
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    lease_until     timestamptz,        -- NULL: nobody is sending it
    claimed_by      int
);
CREATE INDEX notice_due ON subscriptions.notice (provider, next_attempt_at);
CREATE INDEX notice_contact ON subscriptions.notice (contact_id);

CREATE TABLE subscriptions.delivery (   -- every attempt: append-only, without any address
    push_id     text NOT NULL,
    attempt     int NOT NULL,
    pseudonym   uuid NOT NULL,
    channel     text NOT NULL CHECK (channel IN ('email', 'push')),
    reason      text NOT NULL,
    plume       text NOT NULL,
    event_id    text NOT NULL,
    revision    int NOT NULL,
    outcome     text NOT NULL,
    answer      text NOT NULL,          -- status of the other side, such as `HTTP 201`, never its text
    text_sha256 bytea NOT NULL,         -- of the text without links that belong to the contact
    committed_at timestamptz,
    began_at    timestamptz NOT NULL,
    ended_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (push_id, attempt)
);
CREATE INDEX delivery_plume ON subscriptions.delivery (plume);
CREATE INDEX delivery_ended ON subscriptions.delivery (ended_at);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON subscriptions.delivery
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE TABLE subscriptions.sent_text (  -- the texts of these deliveries
    sha256  bytea PRIMARY KEY CHECK (sha256 = sha256(convert_to(content, 'UTF8'))),
    content text NOT NULL
);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON subscriptions.sent_text
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE VIEW subscriptions.place AS      -- what can be subscribed to by name
SELECT 'area' AS kind, id, name FROM public.area UNION ALL SELECT 'station', id, name FROM public.station;
