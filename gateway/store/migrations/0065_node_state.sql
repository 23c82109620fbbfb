-- States by node: a batch touches every datastream of its node, and one row is far cheaper to replace than twenty.

CREATE TABLE node_state (                 -- quality and detector state, so that a restart changes nothing
    node_id     text NOT NULL REFERENCES node,
    component   text NOT NULL,            -- 'quality' or the detector's name@version#hash
    datastreams int[] NOT NULL,
    state       bytea NOT NULL,           -- of each of them in turn, all of one length
    PRIMARY KEY (node_id, component)
) WITH (fillfactor = 50, toast_tuple_target = 8160);
ALTER TABLE node_state ALTER COLUMN state SET STORAGE MAIN;

INSERT INTO node_state (node_id, component, datastreams, state)
SELECT d.node_id, s.component, array_agg(d.id ORDER BY d.id), string_agg(s.state, ''::bytea ORDER BY d.id)
FROM datastream_state s JOIN datastream d ON d.id = s.datastream_id
GROUP BY d.node_id, s.component
HAVING min(length(s.state)) = max(length(s.state));

DROP TABLE datastream_state;
