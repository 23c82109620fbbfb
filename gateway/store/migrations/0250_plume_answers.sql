-- What inspectors answer about a plume: a false alarm, a known source, a note; and the hand-over between shifts.
-- `plume`: id of the plume; of an alert without one the id of its event.

CREATE TABLE alerting.false_alarm (       -- covers the events of the plume at these stations, up to these severities
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plume        text NOT NULL CHECK (plume <> ''),
    cause        text NOT NULL CHECK (cause IN ('sensor_fault', 'work', 'local_source', 'weather', 'other')),
    note         text NOT NULL,
    author       text NOT NULL CHECK (author <> ''),
    stations     text[] NOT NULL,         -- as the inspector saw the plume: what comes later is notified all the same
    severities   text[] NOT NULL,
    stated_at    timestamptz NOT NULL DEFAULT now(),
    corrected_at timestamptz,             -- when the corrections were queued
    withdrawn_at timestamptz,
    withdrawn_by text,
    reopened_at  timestamptz              -- when the receivers of the corrections were notified of the withdrawal
);
CREATE UNIQUE INDEX false_alarm_plume ON alerting.false_alarm (plume) WHERE withdrawn_at IS NULL;
CREATE INDEX false_alarm_open ON alerting.false_alarm (id)
    WHERE corrected_at IS NULL OR (withdrawn_at IS NOT NULL AND reopened_at IS NULL);
CREATE TRIGGER is_a_record BEFORE UPDATE OF plume, cause, note, author, stations, severities, stated_at
    ON alerting.false_alarm FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_never_removed BEFORE DELETE OR TRUNCATE ON alerting.false_alarm
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE FUNCTION alerting.is_false_alarm(of_plume text, at_station text, with_severity text) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM alerting.false_alarm f
                   WHERE f.plume = of_plume AND f.withdrawn_at IS NULL
                     AND at_station = ANY(f.stations) AND with_severity = ANY(f.severities))
$$;

CREATE TABLE alerting.known_source (      -- permitted sources that inspectors named, beside those of the configuration
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plume       text NOT NULL,            -- at which plume it was named
    name        text NOT NULL CHECK (name <> ''),
    match       text[] NOT NULL CHECK (cardinality(match) > 0),
    legal_basis text NOT NULL CHECK (legal_basis <> ''),
    until       date NOT NULL,            -- last day
    level       float8 NOT NULL CHECK (level > 0),  -- excess from which peaks are notified all the same
    author      text NOT NULL CHECK (author <> ''),
    stated_at   timestamptz NOT NULL DEFAULT now(),
    ended_at    timestamptz,
    changed_by  text NOT NULL
);
CREATE INDEX known_source_plume ON alerting.known_source (plume);
CREATE TRIGGER is_a_record BEFORE UPDATE OF plume, name, match, legal_basis, until, level, author, stated_at
    ON alerting.known_source FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();
CREATE TRIGGER is_never_removed BEFORE DELETE OR TRUNCATE ON alerting.known_source
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE TABLE alerting.note (              -- append-only: a correction is a further note
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    plume      text NOT NULL CHECK (plume <> ''),
    author     text NOT NULL CHECK (author <> ''),
    text       text NOT NULL CHECK (text <> ''),
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX note_plume ON alerting.note (plume);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON alerting.note
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE TABLE alerting.handover (          -- append-only
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    areas      text[] NOT NULL,           -- of the author; '*': every area
    author     text NOT NULL CHECK (author <> ''),
    successor  text NOT NULL CHECK (successor <> ''),
    text       text NOT NULL,
    plumes     text[] NOT NULL,           -- those that were open
    written_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX handover_written ON alerting.handover (written_at);
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON alerting.handover
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE TABLE alerting.saved_filter (      -- searches of one account, by the name that it gave them
    account text NOT NULL,
    name    text NOT NULL CHECK (length(name) BETWEEN 1 AND 60),
    query   text NOT NULL CHECK (length(query) <= 1000),
    PRIMARY KEY (account, name)
);

-- Subscribers that were notified of the plume get the correction, and its withdrawal: the plume is decided again.
CREATE FUNCTION subscriptions.enqueue_judged_plume() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO subscriptions.queue (event_id, revision)
    SELECT m.event_id, m.revision FROM subscriptions.plume_event m WHERE m.plume = NEW.plume ON CONFLICT DO NOTHING;
    PERFORM pg_notify('piekwacht_subscriptions', '');
    RETURN NULL;
END $$;
CREATE TRIGGER is_queued_for_subscribers AFTER INSERT OR UPDATE OF withdrawn_at ON alerting.false_alarm
    FOR EACH ROW EXECUTE FUNCTION subscriptions.enqueue_judged_plume();
