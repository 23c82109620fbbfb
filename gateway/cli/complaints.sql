-- name: select_time_zone
SELECT time_zone FROM area WHERE id = %(area)s

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
