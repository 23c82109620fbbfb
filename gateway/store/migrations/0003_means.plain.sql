-- Means over 1 minute, 1 hour and 1 day on plain PostgreSQL: views, computed when they are read, never stale.
-- TimescaleDB has continuous aggregates of the same names and columns (0003_means.timescale.sql).

CREATE VIEW observation_1min AS
SELECT datastream_id,
       date_bin('1 minute', observed_at, 'epoch')                     AS bucket,
       count(*)                                                      AS count,
       count(value)                                                  AS valid_count,
       avg(value)                                                    AS mean,
       min(value)                                                    AS min,
       max(value)                                                    AS max,
       (array_agg(value ORDER BY observed_at, batch_id))[1]          AS first,
       (array_agg(value ORDER BY observed_at DESC, batch_id DESC))[1] AS last,
       bit_or(flags)                                                 AS flags
FROM observation
GROUP BY datastream_id, date_bin('1 minute', observed_at, 'epoch');

CREATE VIEW observation_1h AS
SELECT datastream_id,
       date_bin('1 hour', observed_at, 'epoch')                     AS bucket,
       count(*)                                                      AS count,
       count(value)                                                  AS valid_count,
       avg(value)                                                    AS mean,
       min(value)                                                    AS min,
       max(value)                                                    AS max,
       (array_agg(value ORDER BY observed_at, batch_id))[1]          AS first,
       (array_agg(value ORDER BY observed_at DESC, batch_id DESC))[1] AS last,
       bit_or(flags)                                                 AS flags
FROM observation
GROUP BY datastream_id, date_bin('1 hour', observed_at, 'epoch');

CREATE VIEW observation_1day AS
SELECT datastream_id,
       date_bin('1 day', observed_at, 'epoch')                     AS bucket,
       count(*)                                                      AS count,
       count(value)                                                  AS valid_count,
       avg(value)                                                    AS mean,
       min(value)                                                    AS min,
       max(value)                                                    AS max,
       (array_agg(value ORDER BY observed_at, batch_id))[1]          AS first,
       (array_agg(value ORDER BY observed_at DESC, batch_id DESC))[1] AS last,
       bit_or(flags)                                                 AS flags
FROM observation
GROUP BY datastream_id, date_bin('1 day', observed_at, 'epoch');
