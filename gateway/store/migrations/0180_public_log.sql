-- The public log of each area: its leaves, its state, and what waits to become a leaf. docs/adr/0114-public-log.md

CREATE TABLE log_state (                  -- one row per area that has a log
    area_id        text PRIMARY KEY REFERENCES area,
    size           bigint NOT NULL DEFAULT 0,   -- leaves with an index
    batches_until  bigint NOT NULL DEFAULT 0,   -- every committed batch of the area up to this id has a leaf
    signed_size    bigint NOT NULL DEFAULT 0,   -- leaves of the newest signed head, and its root
    signed_root    bytea,
    signed_at      timestamptz,                 -- when the sequencer last finished: what was committed before has a leaf
    delivery_count bigint NOT NULL DEFAULT 0,   -- deliveries in the record of deliveries, and the hash of its last part
    delivery_head  text NOT NULL DEFAULT ''
);

CREATE TABLE log_leaf (                   -- append-only; the entry of a batch follows from its row in `batch`
    area_id  text NOT NULL,
    number   bigint NOT NULL,             -- index in the tree: 0, 1, 2, ... without a gap
    batch_id bigint,
    source   text COLLATE "C",            -- what the leaf is about, such as `event r7zq4ogyzxa5hm3t 2`
    entry    text,
    document text,                        -- the bytes whose hash the entry has, if they are stored nowhere else
    PRIMARY KEY (area_id, number),
    CHECK ((batch_id IS NULL) = (entry IS NOT NULL) AND (batch_id IS NULL) = (source IS NOT NULL))
);
CREATE UNIQUE INDEX log_leaf_batch ON log_leaf (batch_id) WHERE batch_id IS NOT NULL;
CREATE UNIQUE INDEX log_leaf_source ON log_leaf (area_id, source) WHERE source IS NOT NULL;
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON log_leaf
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

-- What becomes a leaf, written in the transaction of the change itself; the sequencer deletes a row as it gives it an
-- index. Batches do not pass here: ingest pays nothing for the log.
CREATE TABLE log_source (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id text NOT NULL,
    kind    text NOT NULL CHECK (kind IN ('node-key', 'event', 'delivery', 'removed')),
    body    jsonb NOT NULL
);
CREATE INDEX log_source_by_area ON log_source (area_id, id);

-- Keys of nodes ---------------------------------------------------------------------------------

CREATE TABLE node_key (                   -- which key spoke for which station, from when to when: append-only statements
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    area_id      text NOT NULL,
    node_id      text NOT NULL,
    station_id   text NOT NULL,
    verifier_key text NOT NULL,
    since        timestamptz NOT NULL,
    until        timestamptz              -- NULL: it speaks from `since` on, until a later row with the same `since` ends it
);
CREATE INDEX node_key_by_node ON node_key (node_id, id);

CREATE FUNCTION queue_node_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_source (area_id, kind, body) VALUES (NEW.area_id, 'node-key', to_jsonb(NEW));
    RETURN NULL;
END $$;
CREATE TRIGGER queue_leaf AFTER INSERT ON node_key FOR EACH ROW EXECUTE FUNCTION queue_node_key();

CREATE FUNCTION state_node_key(changed text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last node_key;
    present record;
BEGIN
    SELECT * INTO last FROM node_key WHERE node_id = changed ORDER BY id DESC LIMIT 1;
    SELECT n.area_id, i.station_id, n.verifier_key INTO present
    FROM node n JOIN installation i ON i.node_id = n.id AND i.until IS NULL
    WHERE n.id = changed AND n.revoked_at IS NULL;
    IF last.id IS NOT NULL AND last.until IS NULL THEN
        IF (last.area_id, last.station_id, last.verifier_key)
           = (present.area_id, present.station_id, present.verifier_key) THEN
            RETURN;
        END IF;
        INSERT INTO node_key (area_id, node_id, station_id, verifier_key, since, until)
        VALUES (last.area_id, changed, last.station_id, last.verifier_key, last.since, now());
    END IF;
    IF present.area_id IS NOT NULL THEN
        INSERT INTO node_key (area_id, node_id, station_id, verifier_key, since)
        VALUES (present.area_id, changed, present.station_id, present.verifier_key, now());
    END IF;
END $$;

CREATE FUNCTION node_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'node' THEN
        PERFORM state_node_key(NEW.id);
    ELSE
        PERFORM state_node_key(NEW.node_id);
    END IF;
    RETURN NULL;
END $$;

-- What is in the registry already: installations that ended, and those that last. Only the newest key of a node is stored.
INSERT INTO node_key (area_id, node_id, station_id, verifier_key, since, until)
SELECT n.area_id, n.id, i.station_id, n.verifier_key, i.since, coalesce(i.until, n.revoked_at)
FROM installation i JOIN node n ON n.id = i.node_id ORDER BY i.since, n.id;

CREATE TRIGGER node_key_changed AFTER INSERT OR UPDATE OF area_id, verifier_key, revoked_at ON node
    FOR EACH ROW EXECUTE FUNCTION node_key_changed();
CREATE TRIGGER node_key_changed AFTER INSERT OR UPDATE ON installation
    FOR EACH ROW EXECUTE FUNCTION node_key_changed();

-- A node that moves to another area takes its batches without a leaf along.
CREATE FUNCTION node_moved() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    former bigint;
BEGIN
    SELECT batches_until INTO former FROM log_state WHERE area_id = OLD.area_id FOR SHARE;
    UPDATE log_state SET batches_until = least(batches_until, coalesce(former, 0)) WHERE area_id = NEW.area_id;
    RETURN NULL;
END $$;
CREATE TRIGGER node_moved AFTER UPDATE OF area_id ON node
    FOR EACH ROW WHEN (OLD.area_id <> NEW.area_id) EXECUTE FUNCTION node_moved();

-- Revisions of events ---------------------------------------------------------------------------

CREATE FUNCTION queue_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_source (area_id, kind, body)
    SELECT e.area_id, 'event', NEW.body || jsonb_build_object(
        'id', NEW.event_id, 'revision', NEW.revision, 'changed_at', NEW.changed_at, 'area', e.area_id,
        'station_name', s.name, 'unit', p.unit, 'severity', e.severity)
    FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
    WHERE e.id = NEW.event_id;
    RETURN NULL;
END $$;

INSERT INTO log_source (area_id, kind, body)
SELECT e.area_id, 'event', r.body || jsonb_build_object(
    'id', r.event_id, 'revision', r.revision, 'changed_at', r.changed_at, 'area', e.area_id,
    'station_name', s.name, 'unit', p.unit, 'severity', coalesce(i.alert ->> 'severity', e.severity))
FROM event_revision r JOIN event e ON e.id = r.event_id
JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
LEFT JOIN alerting.inbox i ON i.event_id = r.event_id AND i.revision = r.revision
ORDER BY r.changed_at, r.event_id, r.revision;

CREATE TRIGGER queue_leaf AFTER INSERT ON event_revision FOR EACH ROW EXECUTE FUNCTION queue_event();

-- Deliveries: to whom, never to which address ----------------------------------------------------

CREATE FUNCTION describe_delivery(delivery alerting.delivery) RETURNS TABLE (area_id text, body jsonb) LANGUAGE sql AS $$
    SELECT coalesce(e.area_id, i.alert ->> 'area'), jsonb_build_object(
        'notification', o.id, 'attempt', delivery.attempt, 'event', o.event_id, 'revision', o.revision,
        'receiver', o.receiver, 'channel', split_part(o.channel, ':', 1), 'began_at', delivery.began_at,
        'ended_at', delivery.ended_at, 'outcome', delivery.outcome, 'sha256', encode(delivery.sha256, 'hex'))
    FROM alerting.outbox o LEFT JOIN public.event e ON e.id = o.event_id
    LEFT JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision
    WHERE o.id = delivery.outbox_id
$$;

CREATE FUNCTION queue_delivery() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO public.log_source (area_id, kind, body)
    SELECT d.area_id, 'delivery', d.body FROM public.describe_delivery(NEW) d WHERE d.area_id IS NOT NULL;
    RETURN NULL;
END $$;

INSERT INTO log_source (area_id, kind, body)
SELECT d.area_id, 'delivery', d.body
FROM alerting.delivery v CROSS JOIN LATERAL describe_delivery(v) d
WHERE d.area_id IS NOT NULL ORDER BY v.began_at, v.outbox_id, v.attempt;

CREATE TRIGGER queue_leaf AFTER INSERT ON alerting.delivery FOR EACH ROW EXECUTE FUNCTION queue_delivery();

-- What was removed ------------------------------------------------------------------------------

CREATE FUNCTION queue_emptied_quarantine() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_source (area_id, kind, body)
    SELECT a.id, 'removed', jsonb_build_object('what', 'quarantined-payloads', 'reason', 'emptied-by-a-person',
        'from', min(e.received_at), 'until', max(e.received_at), 'count', count(*))
    FROM emptied e JOIN area a ON e.topic LIKE 'pw/v1/' || a.id || '/%'
    GROUP BY a.id;
    RETURN NULL;
END $$;

INSERT INTO log_source (area_id, kind, body)
SELECT a.id, 'removed', jsonb_build_object('what', 'quarantined-payloads', 'reason', 'emptied-by-a-person',
    'from', min(e.received_at), 'until', max(e.received_at), 'count', count(*))
FROM quarantine_emptied e JOIN area a ON e.topic LIKE 'pw/v1/' || a.id || '/%'
GROUP BY a.id;

CREATE TRIGGER queue_leaf AFTER INSERT ON quarantine_emptied REFERENCING NEW TABLE AS emptied
    FOR EACH STATEMENT EXECUTE FUNCTION queue_emptied_quarantine();
