-- On plain PostgreSQL a day of one datastream lies scattered over the whole table, in the order in which batches came.
-- With the value in the index the day is read from a few neighbouring pages; vacuum must keep up for that.

DROP INDEX observation_by_time;
CREATE INDEX observation_by_time ON observation (datastream_id, observed_at DESC) INCLUDE (value, flags);
ALTER TABLE observation SET (autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 100000);
