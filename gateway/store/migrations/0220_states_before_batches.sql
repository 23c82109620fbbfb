-- The leaf of a state of the detector stands before the first batch that the state has not seen. docs/adr/0150-state-before-its-batches.md

ALTER TABLE log_state ADD COLUMN last_batch bigint NOT NULL DEFAULT 0;
COMMENT ON COLUMN log_state.last_batch IS 'highest id of a batch with a leaf in this log: a state before it gets no leaf any more';

UPDATE log_state s SET last_batch = coalesce((SELECT max(l.batch_id) FROM log_leaf l WHERE l.area_id = s.area_id), 0);

CREATE INDEX event_by_detection ON event (detected_at);
COMMENT ON INDEX event_by_detection IS 'which saved states an event can be detected again from';

-- The first statement about a key begins when the node began to measure at its station, which the operator may state.
CREATE OR REPLACE FUNCTION state_node_key(changed text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last node_key;
    present record;
BEGIN
    SELECT * INTO last FROM node_key WHERE node_id = changed ORDER BY id DESC LIMIT 1;
    SELECT n.area_id, i.station_id, n.verifier_key, i.since INTO present
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
        VALUES (present.area_id, changed, present.station_id, present.verifier_key,
                CASE WHEN last.id IS NULL THEN present.since ELSE now() END);
    END IF;
END $$;
