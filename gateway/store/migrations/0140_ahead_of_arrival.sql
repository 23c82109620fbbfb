-- Batches with a stamp more than two minutes after they arrived. Since 0110 they are not believed when they come
-- (gateway/model/clock_doubt.py); those of earlier versions would count as soon as their time has come. Their readings get
-- the flag time_suspect, and they wait in clock_suspect for an anchor of their boot, as if they came today.
-- One datastream at a time and by its stamps, so that TimescaleDB decompresses only these rows.

CREATE TEMPORARY TABLE ahead ON COMMIT DROP AS
SELECT DISTINCT b.id, b.node_id, b.boot
FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.observed_at > b.received_at + interval '2 minutes' AND o.stamped_at IS NULL AND NOT is_undated(o.flags);

DO $$
DECLARE
    part record;
BEGIN
    FOR part IN
        SELECT o.datastream_id, o.batch_id, min(o.observed_at) AS first_at, max(o.observed_at) AS last_at
        FROM observation o JOIN ahead a ON a.id = o.batch_id
        GROUP BY 1, 2
    LOOP
        UPDATE observation SET flags = flags | 16384
        WHERE datastream_id = part.datastream_id AND batch_id = part.batch_id
          AND observed_at BETWEEN part.first_at AND part.last_at;
    END LOOP;
END $$;

INSERT INTO clock_suspect (batch_id, node_id, boot, doubt, first_at, last_at, is_pending)
SELECT a.id, a.node_id, a.boot, 'ahead', min(o.observed_at), max(o.observed_at),
       EXISTS (SELECT FROM clock_anchor c WHERE (c.node_id, c.boot) = (a.node_id, a.boot))
FROM ahead a JOIN observation o ON o.batch_id = a.id
GROUP BY a.id, a.node_id, a.boot
ON CONFLICT (batch_id) DO NOTHING;
