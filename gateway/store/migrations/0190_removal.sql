-- What was removed: written in the transaction of the removal itself, and a leaf of the public log. docs/adr/0129-record-of-removals.md

CREATE TABLE removal (
    id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    removed_at timestamptz NOT NULL DEFAULT now(),
    area_id    text NOT NULL,             -- '*': it belongs to no known area, and concerns the log of every area
    what       text NOT NULL,             -- such as observations, means-1min or signed-bytes
    reason     text NOT NULL,             -- such as retention
    first_at   timestamptz,               -- time of the earliest and of the latest thing that was removed
    last_at    timestamptz,
    count      bigint NOT NULL CHECK (count > 0)  -- rows; batches for signed-bytes
);
COMMENT ON TABLE removal IS 'what retention or a person removed: rows are added, never changed';
CREATE TRIGGER is_a_record BEFORE UPDATE OR DELETE OR TRUNCATE ON removal
    FOR EACH STATEMENT EXECUTE FUNCTION alerting.refuse_change();

CREATE FUNCTION queue_removal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO log_source (area_id, kind, body)
    SELECT a.id, 'removed', jsonb_build_object('what', NEW.what, 'reason', NEW.reason,
        'from', NEW.first_at, 'until', NEW.last_at, 'count', NEW.count)
    FROM area a WHERE NEW.area_id IN (a.id, '*');
    RETURN NULL;
END $$;
CREATE TRIGGER queue_leaf AFTER INSERT ON removal FOR EACH ROW EXECUTE FUNCTION queue_removal();

-- Payloads of an area that is not registered concern every area.
CREATE OR REPLACE FUNCTION queue_emptied_quarantine() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO removal (area_id, what, reason, first_at, last_at, count)
    SELECT coalesce(a.id, '*'), 'quarantined-payloads', 'emptied-by-a-person',
           min(e.received_at), max(e.received_at), count(*)
    FROM emptied e LEFT JOIN area a ON a.id = split_part(e.topic, '/', 3)
    GROUP BY 1;
    RETURN NULL;
END $$;
