-- The queries of the public API. Positions of stations are rounded to 3 decimals (about 100 m).
-- The columns have the names of the fields of the row types in Python.

-- name: select_areas
SELECT id, name, authority, outline, time_zone FROM area ORDER BY id

-- name: select_sites
SELECT id, area_id AS area, name, operator, latitude, longitude FROM site ORDER BY id

-- name: select_stations
-- Those with a place: a mobile station has tracks instead.
SELECT id, area_id AS area, name, round(latitude::numeric, 3)::float8 AS latitude,
       round(longitude::numeric, 3)::float8 AS longitude, number
FROM station WHERE NOT starts_with(id, 'mobile-') ORDER BY id

-- name: select_mobile_stations
SELECT s.id, s.area_id AS area, s.name, m.vehicle, m.has_exhaust, m.is_private
FROM mobile_station m JOIN station s ON s.id = m.station_id ORDER BY s.id

-- name: select_tracks
-- Newest first; the cursor is the begin and the id of the last track. The public sees the shown part of each.
SELECT t.id, t.station_id AS station, t.area_id AS area, t.shown_from AS start, t.shown_until AS "end", t.metres, t.positions
FROM track t
WHERE t.shown_from IS NOT NULL AND (%(area)s::text IS NULL OR t.area_id = %(area)s)
  AND (%(station)s::text IS NULL OR t.station_id = %(station)s)
  AND (%(before)s::timestamptz IS NULL OR (t.shown_from, t.id) < (%(before)s, %(id)s::text))
ORDER BY t.shown_from DESC, t.id DESC LIMIT %(limit)s

-- name: select_track
SELECT t.id, t.station_id AS station, t.area_id AS area, t.began_at AS start, t.ended_at AS "end", t.metres, t.positions
FROM track t WHERE t.id = %(id)s

-- name: select_grid_cells
-- Cells of 50 m: the median over passes of the mean of a pass. A day is one of the area's legal days.
SELECT p.north, p.east, percentile_cont(0.5) WITHIN GROUP (ORDER BY p.mean) AS value,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY p.background) AS background, count(*)::int AS passes,
       count(DISTINCT p.day)::int AS days, sum(p.readings)::int AS readings
FROM cell_pass p
WHERE p.area_id = %(area)s AND p.property_id = %(property)s
GROUP BY p.north, p.east
HAVING count(DISTINCT p.day) >= %(days)s
ORDER BY p.north, p.east LIMIT %(limit)s

-- name: select_properties
SELECT id, unit, name_nl, name_en, lower, upper FROM observed_property ORDER BY id

-- name: select_datastreams
SELECT id, station_id AS station, node_id AS node, property_id AS observed_property, created_at
FROM datastream WHERE NOT starts_with(station_id, 'mobile-') ORDER BY id

-- name: select_versions
-- By these two numbers a process sees whether its copy is stale: the registry's version, and the newest commit.
SELECT r.version AS registry, CASE WHEN l.is_called THEN l.last_value ELSE 0 END AS commit
FROM registry_version r, live_id l

-- name: select_newest_minutes
-- Per datastream the readings of the 60 s that end at the newest valid one, and those after it, which do not count; if
-- none of the last hour is valid, those of its last 60 s. A stamp ahead of the clock is left out. Read as tuples.
SELECT d.id, m.at, m.value, m.flags
FROM (SELECT id FROM datastream WHERE NOT starts_with(station_id, 'mobile-')) AS d
CROSS JOIN LATERAL (
    SELECT o.observed_at FROM observation o
    WHERE o.datastream_id = d.id AND o.observed_at <= now() + interval '2 minutes' AND NOT is_undated(o.flags)
    ORDER BY o.observed_at DESC LIMIT 1
) AS n
LEFT JOIN LATERAL (
    SELECT o.observed_at FROM observation o
    WHERE o.datastream_id = d.id AND o.observed_at <= n.observed_at AND o.observed_at > n.observed_at - interval '1 hour'
      AND valid_value(o.value, o.flags) IS NOT NULL
    ORDER BY o.observed_at DESC LIMIT 1
) AS v ON true
CROSS JOIN LATERAL (
    SELECT array_agg((extract(epoch FROM o.observed_at) * 1000)::bigint ORDER BY o.observed_at, o.batch_id) AS at,
           array_agg(valid_value(o.value, o.flags) ORDER BY o.observed_at, o.batch_id) AS value,
           array_agg(quality_flags(o.value, o.flags) ORDER BY o.observed_at, o.batch_id) AS flags
    FROM observation o
    WHERE o.datastream_id = d.id AND NOT is_undated(o.flags) AND o.observed_at <= n.observed_at
      AND o.observed_at > coalesce(v.observed_at, n.observed_at) - interval '60 seconds'
) AS m
ORDER BY d.id

-- name: select_readings
-- One page of single readings, newest first. The cursor is the last row's time and batch, and the number of rows
-- with exactly these that earlier pages held. Read as tuples, for speed.
SELECT o.datastream_id, o.observed_at, o.value, quality_flags(o.value, o.flags) AS flags, o.batch_id, b.node_id, b.incarnation, b.seq,
       o.stamped_at
FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.datastream_id = ANY(%(ids)s::int[])
  AND o.observed_at >= %(start)s AND o.observed_at < %(end)s
  AND (%(before)s::timestamptz IS NULL OR (o.observed_at, o.batch_id) <= (%(before)s, %(key)s::bigint))
ORDER BY o.observed_at DESC, o.batch_id DESC, o.datastream_id, o.value LIMIT %(limit)s OFFSET %(offset)s

-- Means have the columns of MeanRow (gateway/export/selection.py).

-- name: select_means_1min
WITH i AS MATERIALIZED (SELECT * FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s, '1 hour'))
SELECT m.datastream_id, m.bucket, m.bucket + interval '1 minute', m.count, m.valid_count,
       expected_count(m.bucket, m.bucket + interval '1 minute', i.seconds), m.mean, m.min, m.max, m.flags
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin('1 hour', m.bucket, 'epoch')
ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_means_1h
-- The interval is that of the hour in the last three days, and that of the day before: an operator, or the start of the
-- demo, may change it within a day.
WITH i AS MATERIALIZED (
    SELECT s.*, interval '1 hour' AS width
    FROM sampling_intervals(%(ids)s::int[], greatest(%(start)s::timestamptz, now() - interval '3 days'), %(end)s, '1 hour') s
    UNION ALL
    SELECT s.*, interval '1 day' FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s, '1 day') s
)
SELECT m.datastream_id, m.bucket, m.bucket + interval '1 hour', m.count, m.valid_count,
       expected_count(m.bucket, m.bucket + interval '1 hour', i.seconds), m.mean, m.min, m.max, m.flags
FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin(i.width, m.bucket, 'epoch')
    AND i.width = CASE WHEN m.bucket >= now() - interval '3 days' THEN interval '1 hour' ELSE interval '1 day' END
ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_means_1day
-- As for hours. A day of which some hours have no known interval has the mean of the others for these.
WITH h AS MATERIALIZED (
    SELECT * FROM sampling_intervals(
        %(ids)s::int[], greatest(%(start)s::timestamptz, now() - interval '3 days'), %(end)s::timestamptz + interval '1 day', '1 hour')
), i AS MATERIALIZED (
    SELECT * FROM sampling_intervals(%(ids)s::int[], %(start)s, %(end)s::timestamptz + interval '1 day', '1 day')
)
SELECT m.datastream_id, m.bucket, m.ends_at, m.count, m.valid_count,
       CASE WHEN m.bucket >= now() - interval '3 days' THEN (
           SELECT greatest(1, round(avg(1 / h.seconds)::numeric * extract(epoch FROM m.ends_at - m.bucket)))::bigint
           FROM h WHERE h.datastream_id = m.datastream_id AND h.starts_at >= m.bucket AND h.starts_at < m.ends_at
           HAVING count(*) > 0
       ) ELSE expected_count(m.bucket, m.ends_at, i.seconds) END, m.mean, m.min, m.max, m.flags
FROM means_1day(%(ids)s::int[], %(start)s, %(end)s, %(time_zone)s) m
LEFT JOIN i ON i.datastream_id = m.datastream_id AND i.starts_at = date_bin('1 day', m.bucket + interval '12 hours', 'epoch')
ORDER BY m.bucket DESC, m.datastream_id DESC

-- name: select_minute_means
-- The means of one minute of many datastreams, for a page that looks back at it.
SELECT m.datastream_id AS datastream, m.mean, m.max, m.count, m.valid_count
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
WHERE m.mean IS NOT NULL ORDER BY m.datastream_id

-- name: select_playback
-- Per datastream its minutes with a mean: how many minutes after the start, and the mean in steps of the resolution.
SELECT m.datastream_id AS datastream,
       array_agg((extract(epoch FROM m.bucket - %(start)s::timestamptz) / 60)::int ORDER BY m.bucket) AS minutes,
       array_agg(floor(m.mean / %(resolution)s::float8 + 0.5) ORDER BY m.bucket) AS steps
FROM means_1min(%(ids)s::int[], %(start)s, %(end)s) m
WHERE m.mean IS NOT NULL GROUP BY m.datastream_id ORDER BY m.datastream_id

-- name: select_events
-- What an inspector judged a false alarm counts as voided; `false_alarm_cause` tells it from what the detector voided.
SELECT e.id, e.revision, CASE WHEN f.id IS NULL THEN e.change ELSE 'voided' END AS change, e.kind, e.area_id AS area,
       e.station_id AS station, s.name AS station_name, e.property_id AS observed_property, p.unit, e.severity, e.onset,
       e.peak_at, e.detected_at,
       CASE WHEN f.id IS NULL THEN e.ended_at ELSE coalesce(e.ended_at, greatest(f.stated_at, e.onset)) END AS "end",
       e.peak, e.background, e.excess, e.confidence, e.reasons, e.detector, e.detected_late,
       greatest(e.changed_at, f.stated_at) AS changed_at, e.merged_into, e.around, e.plume_id AS plume,
       f.cause AS false_alarm_cause, f.stated_at AS false_alarm_at
FROM event e JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
LEFT JOIN alerting.false_alarm f ON f.plume = e.plume_id AND f.withdrawn_at IS NULL
  AND e.station_id = ANY(f.stations) AND e.severity = ANY(f.severities)
WHERE (%(id)s::text IS NULL OR e.id = %(id)s)
  AND (%(area)s::text IS NULL OR e.area_id = %(area)s)
  AND (%(station)s::text IS NULL OR e.station_id = %(station)s)
  AND (%(property)s::text IS NULL OR e.property_id = %(property)s)
  AND (%(kinds)s::text[] IS NULL OR e.kind = ANY(%(kinds)s))
  AND (%(open)s::boolean IS NULL OR (e.ended_at IS NULL AND e.change <> 'voided' AND f.id IS NULL) = %(open)s)
  AND (%(start)s::timestamptz IS NULL OR e.onset >= %(start)s)
  AND (%(end)s::timestamptz IS NULL OR e.onset < %(end)s)
  AND (%(before)s::timestamptz IS NULL OR (e.onset, e.id) < (%(before)s, %(before_id)s))
ORDER BY e.onset DESC, e.id DESC LIMIT %(limit)s

-- name: select_revisions
-- Every revision of an event, oldest first: corrections stay visible.
SELECT r.revision, r.changed_at, r.body FROM event_revision r WHERE r.event_id = %(id)s ORDER BY r.revision LIMIT %(limit)s

-- name: select_plumes
-- Plumes with all their events, the newest plume first: by the event that it is named after, so that its place in the
-- list never changes.
WITH page AS MATERIALIZED (
    SELECT f.id, f.onset FROM event f
    WHERE f.id = f.plume_id
      AND (%(id)s::text IS NULL OR f.id = %(id)s)
      AND (%(plume_ids)s::text[] IS NULL OR f.id = ANY(%(plume_ids)s))
      AND (%(area)s::text IS NULL OR f.area_id = %(area)s)
      AND ((%(station)s::text IS NULL AND %(property)s::text IS NULL AND %(kind)s::text IS NULL) OR EXISTS (
          SELECT FROM event m WHERE m.plume_id = f.id
            AND (%(station)s::text IS NULL OR m.station_id = %(station)s)
            AND (%(property)s::text IS NULL OR m.property_id = %(property)s)
            AND (%(kind)s::text IS NULL OR m.kind = %(kind)s)))
      AND (%(open)s::boolean IS NULL OR (f.id IN (
          SELECT o.plume_id FROM event o
          WHERE o.ended_at IS NULL AND o.plume_id IS NOT NULL AND o.change <> 'voided' AND o.kind IN ('peak', 'regional')
            AND NOT alerting.is_false_alarm(o.plume_id, o.station_id, o.severity)
          )) = %(open)s)
      AND (%(start)s::timestamptz IS NULL OR f.onset >= %(start)s)
      AND (%(end)s::timestamptz IS NULL OR f.onset < %(end)s)
      AND (%(before)s::timestamptz IS NULL OR (f.onset, f.id) < (%(before)s, %(before_id)s))
    ORDER BY f.onset DESC, f.id DESC LIMIT %(limit)s
)
SELECT g.id AS plume, g.onset AS began, e.id, e.revision, CASE WHEN f.id IS NULL THEN e.change ELSE 'voided' END AS change,
       e.kind, e.area_id AS area, e.station_id AS station, s.name AS station_name, e.property_id AS observed_property,
       p.unit, e.severity, e.onset, e.peak_at, e.detected_at,
       CASE WHEN f.id IS NULL THEN e.ended_at ELSE coalesce(e.ended_at, greatest(f.stated_at, e.onset)) END AS "end",
       e.peak, e.background, e.excess, e.confidence, e.detector, e.detected_late, e.merged_into,
       greatest(e.changed_at, f.stated_at) AS changed_at, f.cause AS false_alarm_cause, f.stated_at AS false_alarm_at,
       (SELECT count(*) + count(h.withdrawn_at) FROM alerting.false_alarm h WHERE h.plume = g.id) AS judgements
FROM page g JOIN event e ON e.plume_id = g.id
LEFT JOIN alerting.false_alarm f ON f.plume = e.plume_id AND f.withdrawn_at IS NULL
  AND e.station_id = ANY(f.stations) AND e.severity = ANY(f.severities)
JOIN station s ON s.id = e.station_id JOIN observed_property p ON p.id = e.property_id
ORDER BY g.onset DESC, g.id DESC, e.onset, e.id

-- name: select_plume_notifications
-- Who was notified of any event of these plumes: for each receiver the earliest delivery, else the newest attempt.
-- A notification that was gathered into another one has that one's state.
SELECT DISTINCT ON (e.plume_id, o.receiver) e.plume_id AS plume, o.receiver, n.state,
       CASE WHEN n.state IN ('delivered', 'partial') THEN n.finished_at END AS notified_at,
       max(coalesce(n.finished_at, n.created_at)) OVER (PARTITION BY e.plume_id, o.receiver) AS changed_at
FROM event e JOIN alerting.outbox o ON o.event_id = e.id JOIN alerting.outbox n ON n.id = coalesce(o.gathered_into, o.id)
WHERE e.plume_id = ANY(%(plumes)s) AND n.state <> 'spared'
ORDER BY e.plume_id, o.receiver, n.state IN ('delivered', 'partial') DESC,
         CASE WHEN n.state IN ('delivered', 'partial') THEN n.finished_at END, n.created_at DESC, n.id DESC

-- name: select_plume_changes
-- When the newest revisions of the events of a plume and the judgements about it were stored, newest first; and how many
-- there are in all.
SELECT c.changed_at, count(*) OVER () AS number FROM (
    SELECT r.changed_at, r.event_id, r.revision FROM event e JOIN event_revision r ON r.event_id = e.id
    WHERE e.plume_id = %(id)s
  UNION ALL SELECT f.stated_at, 'judgement', f.id FROM alerting.false_alarm f WHERE f.plume = %(id)s
  UNION ALL SELECT f.withdrawn_at, 'withdrawal', f.id FROM alerting.false_alarm f
    WHERE f.plume = %(id)s AND f.withdrawn_at IS NOT NULL
) AS c
ORDER BY c.changed_at DESC, c.event_id DESC, c.revision DESC LIMIT %(limit)s

-- name: select_plume_acknowledgements
-- When somebody first acknowledged an event of these plumes; who it was is not public.
SELECT e.plume_id AS plume, min(a.said_at) AS acknowledged_at
FROM event e JOIN alerting.acknowledgement a ON a.event_id = e.id
WHERE e.plume_id = ANY(%(plumes)s) GROUP BY e.plume_id ORDER BY e.plume_id

-- name: select_alerts
-- The public part of the notifications: the inspectorate's name and the kind of channel, never an address.
SELECT o.id, o.event_id AS event, e.plume_id AS plume, o.revision, o.round AS reminder, e.area_id AS area, a.authority, e.station_id AS station,
       s.name AS station_name, e.property_id AS observed_property, p.unit, e.severity, e.onset, e.kind, e.peak, e.background,
       o.receiver,
       split_part(o.channel, ':', 1) AS channel, o.state, o.created_at, o.finished_at, r.addressees
FROM alerting.outbox o
LEFT JOIN LATERAL (  -- how many addressees have which outcome, by their newest attempt; NULL for a channel without any
    SELECT CASE WHEN count(*) > 0 THEN jsonb_build_object(
        'delivered', count(*) FILTER (WHERE n.outcome = 'delivered'),
        'refused', count(*) FILTER (WHERE n.outcome IN ('refused', 'abandoned')),
        'waiting', count(*) FILTER (WHERE n.outcome = 'failed' OR (n.outcome = 'unknown' AND o.finished_at IS NULL)),
        'unknown', count(*) FILTER (WHERE n.outcome = 'unknown' AND o.finished_at IS NOT NULL)) END AS addressees
    FROM (SELECT DISTINCT ON (x.addressee) x.outcome FROM alerting.addressee_outcome x
          WHERE x.outbox_id = coalesce(o.gathered_into, o.id) ORDER BY x.addressee, x.attempt DESC) AS n
) AS r ON true
JOIN event e ON e.id = o.event_id
JOIN area a ON a.id = e.area_id
JOIN station s ON s.id = e.station_id
JOIN observed_property p ON p.id = e.property_id
WHERE (%(id)s::bigint IS NULL OR o.id = %(id)s)
  AND (%(area)s::text IS NULL OR e.area_id = %(area)s)
  AND (%(event)s::text IS NULL OR o.event_id = %(event)s)
  AND (%(start)s::timestamptz IS NULL OR o.created_at >= %(start)s)
  AND (%(end)s::timestamptz IS NULL OR o.created_at < %(end)s)
  AND (%(before)s::bigint IS NULL OR o.id < %(before)s)
ORDER BY o.id DESC LIMIT %(limit)s

-- name: select_raw_backgrounds
-- Median of the hourly means of each datastream in a period: the background of a raw signal, whose number means nothing.
SELECT m.datastream_id AS datastream, percentile_cont(0.5) WITHIN GROUP (ORDER BY m.mean) AS background
FROM means_1h(%(ids)s::int[], %(start)s, %(end)s) m WHERE m.mean IS NOT NULL GROUP BY m.datastream_id

-- name: summarise_completeness
-- Per station, of the first property that it ever measured, in the whole hours since `start` and the hour of `end`: hours
-- with a valid value, valid readings, readings, and how many a complete period has by the interval of each hour; NULL if
-- no interval is known. An hour without a known interval has the mean of the others.
WITH first_datastream AS (
    SELECT min(id) AS id FROM datastream WHERE property_id <> 'lost_readings' AND NOT starts_with(station_id, 'mobile-')
    GROUP BY station_id
), sampling AS (
    SELECT s.datastream_id, s.seconds, s.starts_at, least(s.starts_at + interval '1 hour', %(end)s::timestamptz) AS ends_at
    FROM sampling_intervals((SELECT array_agg(id) FROM first_datastream), %(start)s, %(end)s, '1 hour') s
    WHERE s.starts_at >= %(start)s::timestamptz AND s.starts_at < %(end)s::timestamptz
), expected AS (
    SELECT s.datastream_id,
           greatest(1, round(
               sum(extract(epoch FROM s.ends_at - s.starts_at) / s.seconds::numeric) / sum(extract(epoch FROM s.ends_at - s.starts_at))
               * extract(epoch FROM %(end)s::timestamptz - date_bin('1 hour', %(start)s::timestamptz + interval '1 hour' - interval '1 microsecond', 'epoch'))
           ))::bigint AS count
    FROM sampling s GROUP BY s.datastream_id
)
SELECT d.station_id AS station, count(*) FILTER (WHERE m.valid_count > 0) AS hours,
       sum(m.valid_count)::bigint AS valid_count, sum(m.count)::bigint AS count,
       min(e.count) AS expected_count
FROM means_1h((SELECT array_agg(id) FROM first_datastream), %(start)s, %(end)s) m
JOIN datastream d ON d.id = m.datastream_id
LEFT JOIN expected e ON e.datastream_id = d.id
GROUP BY d.station_id ORDER BY d.station_id

-- name: summarise_alert_latency
-- Seconds from the commit of an event to the delivery of its first notification.
SELECT count(*), percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM o.finished_at - i.received_at)) AS median,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM o.finished_at - i.received_at)) AS percentile_99
FROM alerting.outbox o JOIN alerting.inbox i ON i.event_id = o.event_id AND i.revision = o.revision
WHERE o.state IN ('delivered', 'partial') AND o.round = 0 AND o.created_at >= %(start)s

-- name: summarise_notice_delay
-- Seconds from the commit of an event to a subscriber's notice at the mail server or push service, and notices that wait:
-- how many, and for how many seconds the oldest has been due.
SELECT count(*) AS count,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM d.ended_at - d.committed_at)) AS median,
       percentile_cont(0.99) WITHIN GROUP (ORDER BY extract(epoch FROM d.ended_at - d.committed_at)) AS percentile_99,
       (SELECT count(*) FROM subscriptions.notice n WHERE n.next_attempt_at <= now()) AS waiting,
       coalesce((SELECT extract(epoch FROM now() - min(n.next_attempt_at)) FROM subscriptions.notice n
                 WHERE n.next_attempt_at <= now()), 0)::float8 AS waiting_seconds
FROM subscriptions.delivery d
WHERE d.outcome = 'delivered' AND d.committed_at IS NOT NULL AND d.ended_at >= %(start)s

-- name: select_upkeep
SELECT work, done_at, failed_at, error, now() AS read_at FROM upkeep_done()

-- name: summarise_selftest_peaks
-- Synthetic peaks of the detector that was tested last, over the thirty days up to its last tested hour.
WITH newest AS (SELECT detector, hour FROM selftest_hour ORDER BY hour DESC, examined_at DESC LIMIT 1)
SELECT n.detector, min(p.hour) AS since, max(p.hour) AS until, p.property_id AS observed_property,
       p.interval_s AS interval, p.multiple, count(*) AS injected, count(*) FILTER (WHERE outcome = 'found') AS found,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY delay_s) AS delay,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY size_ratio) AS ratio
FROM newest n JOIN selftest_peak p ON p.detector = n.detector AND p.hour > n.hour - interval '30 days'
WHERE p.outcome IN ('found', 'missed')
GROUP BY n.detector, p.property_id, p.interval_s, p.multiple ORDER BY p.property_id, p.interval_s, p.multiple

-- name: summarise_selftest_exposure
-- Over the same days: sensor days and peaks without synthetic peaks.
WITH newest AS (SELECT detector, hour FROM selftest_hour ORDER BY hour DESC, examined_at DESC LIMIT 1)
SELECT e.property_id AS observed_property, e.interval_s AS interval, sum(e.sensor_days) AS sensor_days,
       sum(e.peaks)::int AS peaks, sum(e.alone)::int AS alone
FROM newest n JOIN selftest_exposure e ON e.detector = n.detector AND e.hour > n.hour - interval '30 days'
GROUP BY e.property_id, e.interval_s ORDER BY e.property_id, e.interval_s

-- name: summarise_detection
-- Plumes that began since then, the disproved ones, and the median time from onset to first detection in seconds.
WITH plumes AS (
    SELECT bool_and(e.change = 'voided' OR alerting.is_false_alarm(e.plume_id, e.station_id, e.severity)) AS is_voided,
           bool_or(e.detected_late) AS is_late, min(e.onset) AS onset, min(e.detected_at) AS detected_at
    FROM event e WHERE e.kind IN ('peak', 'regional') AND e.onset >= %(start)s GROUP BY e.plume_id
)
SELECT count(*), count(*) FILTER (WHERE is_voided) AS voided,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM detected_at - onset))
           FILTER (WHERE NOT is_late) AS median_delay
FROM plumes

-- name: count_migrations
SELECT count(*) FROM schema_migration

-- The public log. `number` is the index of a leaf in the log of `area`; NULL: it has none yet.

-- name: select_logged_batch
-- A batch that a node delivered again after the log was recovered has the leaf that it had before.
SELECT b.id, b.node_id AS node, b.incarnation, b.seq AS number, b.payload, b.received_at,
       coalesce(l.area_id, r.area_id) AS area, coalesce(l.number, r.number) AS leaf
FROM batch b LEFT JOIN log_leaf l ON l.batch_id = b.id
LEFT JOIN log_recovered_batch r USING (node_id, incarnation, seq, sha256)
WHERE b.node_id = %(node)s AND b.incarnation = %(incarnation)s AND b.seq = %(number)s

-- name: select_private_carriers
-- The stations of residents that move on which a node was ever installed.
SELECT station_id FROM mobile_station JOIN installation USING (station_id) WHERE node_id = %(node)s AND is_private

-- name: select_logged_batches
SELECT b.id, b.node_id AS node, b.incarnation, b.seq AS number, b.payload, b.received_at,
       coalesce(l.area_id, r.area_id) AS area, coalesce(l.number, r.number) AS leaf
FROM batch b LEFT JOIN log_leaf l ON l.batch_id = b.id
LEFT JOIN log_recovered_batch r USING (node_id, incarnation, seq, sha256)
WHERE b.id = ANY(%(ids)s::bigint[]) ORDER BY b.id

-- name: select_reading_at
SELECT o.datastream_id AS datastream, o.observed_at, o.value, quality_flags(o.value, o.flags) AS flags, o.batch_id AS batch,
       d.node_id AS node, o.stamped_at
FROM observation o JOIN datastream d ON d.id = o.datastream_id
WHERE o.datastream_id = ANY(%(ids)s::int[])
  AND o.observed_at >= %(at)s AND o.observed_at < %(at)s + interval '1 millisecond'
ORDER BY o.batch_id LIMIT 1

-- name: select_minute_batches
-- Batches with a reading of these datastreams in the minute, and the nearest one before and after it.
SELECT DISTINCT m.batch_id AS id
FROM unnest(%(ids)s::int[]) AS d(id)
CROSS JOIN LATERAL (
    SELECT o.batch_id FROM observation o
    WHERE o.datastream_id = d.id AND o.observed_at >= %(start)s AND o.observed_at < %(start)s + interval '1 minute'
    UNION
    (SELECT o.batch_id FROM observation o WHERE o.datastream_id = d.id AND o.observed_at < %(start)s
     ORDER BY o.observed_at DESC LIMIT 1)
    UNION
    (SELECT o.batch_id FROM observation o WHERE o.datastream_id = d.id AND o.observed_at >= %(start)s + interval '1 minute'
     ORDER BY o.observed_at LIMIT 1)
) AS m
ORDER BY m.batch_id LIMIT 100

-- name: select_node_key_leaf
-- The newest statement about the key of a node that precedes this leaf and covers this time, else the newest one.
SELECT l.number, l.entry, l.document
FROM node_key k JOIN log_leaf l ON l.area_id = k.area_id AND l.source = 'node-key ' || k.node_id || ' ' || k.id
WHERE k.node_id = %(node)s AND k.area_id = %(area)s
ORDER BY (l.number < %(leaf)s) DESC, (k.since <= %(at)s AND (k.until IS NULL OR k.until >= %(at)s)) DESC, k.id DESC LIMIT 1

-- name: select_newest_leaf
-- The newest leaf whose source begins so. All of them are few; the order must not lead over all leaves.
WITH matches AS MATERIALIZED (
    SELECT number, entry, document FROM log_leaf
    WHERE area_id = %(area)s AND source IS NOT NULL AND source LIKE %(prefix)s || '%%'
)
SELECT number, entry, document FROM matches ORDER BY number DESC LIMIT 1

-- name: select_event_leaves
-- The newest revision in the log of every event that covers this time.
SELECT DISTINCT ON (e.id) l.number, l.entry, l.document
FROM event e JOIN event_revision r ON r.event_id = e.id
JOIN log_leaf l ON l.area_id = %(area)s AND l.source = 'event ' || r.event_id || ' ' || r.revision
WHERE e.station_id = %(station)s AND e.property_id = %(property)s
  AND e.onset <= %(at)s AND (e.ended_at IS NULL OR e.ended_at >= %(at)s)
ORDER BY e.id, r.revision DESC LIMIT 20

-- name: select_delivery_leaves
SELECT number, entry, document FROM log_leaf
WHERE area_id = %(area)s AND source LIKE 'delivery %%' AND document LIKE ANY(%(patterns)s::text[])
ORDER BY number LIMIT 100

-- Plumes for inspectors.

-- name: select_inspected_plumes
-- Plumes with their state, the newest first. `areas` NULL: every area. `wind`: middle of a sector of 45 degrees that the
-- wind of one of the events came from. `like`: part of a note, of an answer or of the name of a source.
WITH page AS MATERIALIZED (
    SELECT f.id, f.onset, s.state FROM event f
    CROSS JOIN LATERAL (
        SELECT CASE
            WHEN EXISTS (SELECT FROM alerting.false_alarm x WHERE x.plume = f.id AND x.withdrawn_at IS NULL) THEN 'false_alarm'
            WHEN NOT EXISTS (SELECT FROM event o WHERE o.plume_id = f.id AND o.change <> 'voided') THEN 'voided'
            WHEN EXISTS (SELECT FROM alerting.known_source k WHERE k.plume = f.id AND k.ended_at IS NULL) THEN 'known_source'
            WHEN NOT EXISTS (SELECT FROM event o WHERE o.plume_id = f.id AND o.ended_at IS NULL AND o.change <> 'voided'
                               AND o.kind IN ('peak', 'regional')) THEN 'over'
            WHEN EXISTS (SELECT FROM event o JOIN alerting.acknowledgement a ON a.event_id = o.id
                         WHERE o.plume_id = f.id) THEN 'acknowledged'
            ELSE 'new' END AS state
    ) AS s
    WHERE f.id = f.plume_id
      AND (%(areas)s::text[] IS NULL OR f.area_id = ANY(%(areas)s))
      AND (%(station)s::text IS NULL OR EXISTS (
          SELECT FROM event m WHERE m.plume_id = f.id AND m.station_id = %(station)s))
      AND (%(property)s::text IS NULL OR EXISTS (
          SELECT FROM event m WHERE m.plume_id = f.id AND m.property_id = %(property)s))
      AND (%(wind)s::float8 IS NULL OR EXISTS (
          SELECT FROM event m WHERE m.plume_id = f.id AND m.around #>> '{wind,direction}' IS NOT NULL
            AND abs(mod(((m.around #>> '{wind,direction}')::numeric - %(wind)s::numeric + 540), 360) - 180) <= 22.5))
      AND (%(like)s::text IS NULL OR f.id IN (
          SELECT n.plume FROM alerting.note n WHERE n.text ILIKE %(like)s
          UNION SELECT x.plume FROM alerting.false_alarm x WHERE x.note ILIKE %(like)s
          UNION SELECT k.plume FROM alerting.known_source k WHERE k.name ILIKE %(like)s OR k.legal_basis ILIKE %(like)s
          UNION SELECT e.plume_id FROM alerting.acknowledgement a JOIN event e ON e.id = a.event_id
          WHERE a.note ILIKE %(like)s))
      AND (%(start)s::timestamptz IS NULL OR f.onset >= %(start)s)
      AND (%(end)s::timestamptz IS NULL OR f.onset < %(end)s)
      AND (%(state)s::text IS NULL OR s.state = %(state)s)
      AND (coalesce(%(state)s::text, '') NOT IN ('new', 'acknowledged') OR f.id IN (
          SELECT o.plume_id FROM event o
          WHERE o.ended_at IS NULL AND o.plume_id IS NOT NULL AND o.change <> 'voided' AND o.kind IN ('peak', 'regional')))
      AND (%(before)s::timestamptz IS NULL OR (f.onset, f.id) < (%(before)s, %(before_id)s))
    ORDER BY f.onset DESC, f.id DESC LIMIT %(limit)s
)
SELECT g.id AS plume, g.onset AS began, g.state, w.author, w.at
FROM page g LEFT JOIN LATERAL (  -- the answer that the state comes from
    SELECT x.author, x.stated_at AS at FROM alerting.false_alarm x
    WHERE g.state = 'false_alarm' AND x.plume = g.id AND x.withdrawn_at IS NULL
  UNION ALL
    (SELECT k.author, k.stated_at FROM alerting.known_source k
     WHERE g.state = 'known_source' AND k.plume = g.id AND k.ended_at IS NULL ORDER BY k.id LIMIT 1)
  UNION ALL
    (SELECT a.who, a.said_at FROM event e JOIN alerting.acknowledgement a ON a.event_id = e.id
     WHERE g.state IN ('acknowledged', 'over') AND e.plume_id = g.id ORDER BY a.said_at, a.id LIMIT 1)
) AS w ON true
ORDER BY g.onset DESC, g.id DESC

-- name: select_peak_days
-- For each legal day of Dutch time: how many plumes began that were not voided, and the highest severity (0 to 3).
SELECT (f.onset AT TIME ZONE 'Europe/Amsterdam')::date AS day, count(DISTINCT f.id) AS count,
       max(array_position(ARRAY['minor', 'moderate', 'severe', 'extreme'], m.severity)) - 1 AS severity
FROM event f JOIN event m ON m.plume_id = f.id AND m.change <> 'voided'
LEFT JOIN alerting.false_alarm x ON x.plume = f.id AND x.withdrawn_at IS NULL
  AND m.station_id = ANY(x.stations) AND m.severity = ANY(x.severities)
WHERE f.id = f.plume_id AND (%(areas)s::text[] IS NULL OR f.area_id = ANY(%(areas)s))
  AND f.onset >= %(start)s AND f.onset < %(end)s AND x.id IS NULL
GROUP BY 1 ORDER BY 1

-- name: select_saved_filters
SELECT name, query FROM alerting.saved_filter WHERE account = %(account)s ORDER BY name

-- name: count_network_alerts
-- Alerts about the network of the last day.
SELECT count(*) AS count FROM alerting.inbox i
WHERE i.alert ->> 'kind' IN ('silent', 'undeliverable', 'copied', 'wrong_clock')
  AND i.received_at > now() - interval '1 day'

-- name: select_laboratory_samples
-- Samples of a station that overlap a period.
SELECT substance, starts_at AS start, ends_at AS "end", value, uncertainty, laboratory
FROM laboratory_sample
WHERE station_id = %(station)s AND starts_at < %(end)s AND ends_at > %(start)s
ORDER BY substance, starts_at

-- name: select_measured_events
-- Peaks and regional episodes that nobody disproved, with the moment at which a resident was first notified of the plume.
SELECT e.id, e.station_id AS station, s.latitude, s.longitude, e.onset, coalesce(e.ended_at, now()) AS "end",
       (e.around -> 'wind' ->> 'direction')::double precision AS wind,
       (SELECT min(d.began_at) FROM subscriptions.delivery d WHERE d.plume = e.plume_id AND d.outcome = 'delivered')
         AS notified_at
FROM event e JOIN station s ON s.id = e.station_id
WHERE e.area_id = %(area)s AND e.kind IN ('peak', 'regional') AND e.change <> 'voided'
  AND NOT alerting.is_false_alarm(e.plume_id, e.station_id, e.severity)
  AND e.onset < %(end)s AND coalesce(e.ended_at, now()) >= %(start)s
ORDER BY e.onset, e.id

-- name: select_event_places
-- The same without notices, for reports of sites.
SELECT e.id, e.station_id AS station, s.latitude, s.longitude, e.onset, coalesce(e.ended_at, now()) AS "end",
       (e.around -> 'wind' ->> 'direction')::double precision AS wind
FROM event e JOIN station s ON s.id = e.station_id
WHERE (e.area_id = %(area)s OR %(area)s::text IS NULL) AND e.kind IN ('peak', 'regional') AND e.change <> 'voided'
  AND NOT alerting.is_false_alarm(e.plume_id, e.station_id, e.severity)
  AND e.onset < %(end)s AND coalesce(e.ended_at, now()) >= %(start)s
ORDER BY e.onset, e.id

-- name: select_site_reports
-- Incidents that operators of sites reported in a period, the newest first, with the position of the site.
SELECT r.site_id AS site, r.id, s.latitude, s.longitude, r.began_at AS start, r.ended_at AS "end", r.reported_at,
       r.summary, r.source
FROM site_report r JOIN site s ON s.id = r.site_id
WHERE (s.area_id = %(area)s OR %(area)s::text IS NULL) AND r.reported_at >= %(start)s AND r.reported_at < %(end)s
ORDER BY r.reported_at DESC, r.site_id, r.id LIMIT %(limit)s

-- name: select_site_values
-- Values that the operators of these sites state of a period.
SELECT v.site_id AS site, v.stack, v.substance, v.starts_at AS start, v.seconds, v.value, v.unit, v.status
FROM site_value v
WHERE v.site_id = ANY(%(sites)s::text[]) AND v.starts_at < %(end)s
  AND v.starts_at > %(start)s::timestamptz - interval '1 day' AND v.starts_at + v.seconds * interval '1 second' > %(start)s
ORDER BY v.site_id, v.stack, v.substance, v.starts_at LIMIT %(limit)s

-- name: select_complaint_count
-- Persons who complained of an event, by the newest comparison of its time; no row if there is none.
SELECT coalesce(n.persons, 0) AS persons, coalesce(n.after_notice, 0) AS after_notice, c.source, c.compared_at
FROM event e
JOIN complaint_comparison c ON c.area_id = e.area_id AND c.starts_at <= e.onset AND c.ends_at > e.onset
LEFT JOIN complaint_count n ON n.comparison_id = c.id AND n.event_id = e.id
WHERE e.id = %(event)s ORDER BY c.compared_at DESC, c.id DESC LIMIT 1

-- name: select_complaint_comparisons
-- Comparisons of an area that overlap a period; of the same period the newest.
SELECT DISTINCT ON (c.starts_at, c.ends_at, c.source) c.starts_at AS start, c.ends_at AS "end", c.source, c.persons,
       c.fitting, c.after_notice, c.slots_both AS "both", c.slots_event AS event_only, c.slots_complaint AS complaint_only,
       c.slots_neither AS neither, c.expected, c.chance, c.compared_at
FROM complaint_comparison c
WHERE c.area_id = %(area)s AND c.starts_at < %(end)s AND c.ends_at > %(start)s
ORDER BY c.starts_at, c.ends_at, c.source, c.compared_at DESC, c.id DESC

-- name: select_site_reports_at
-- Incidents in an area that overlap a time.
SELECT r.site_id AS site, r.id, s.latitude, s.longitude, r.began_at AS start, r.ended_at AS "end", r.reported_at,
       r.summary, r.source
FROM site_report r JOIN site s ON s.id = r.site_id
WHERE s.area_id = %(area)s AND r.began_at <= %(end)s AND coalesce(r.ended_at, r.began_at) >= %(start)s
ORDER BY r.reported_at, r.site_id, r.id LIMIT %(limit)s

-- name: select_context
-- Values of other networks that overlap a period, of the stations that the pages of an area show, oldest first.
SELECT s.source, s.id AS station, s.name, s.attribution, v.observed_property, v.starts_at AS start, v.seconds, v.value, v.unit
FROM context_station s JOIN context_value v ON v.source = s.source AND v.station = s.id
WHERE s.area_id = %(area)s AND v.observed_property = ANY(%(properties)s::text[])
  AND v.starts_at < %(end)s AND v.starts_at > %(start)s::timestamptz - interval '1 day'
  AND v.starts_at + v.seconds * interval '1 second' > %(start)s
ORDER BY s.source, s.id, v.observed_property, v.starts_at LIMIT %(limit)s
