-- name: select_time_series
SELECT at, value, flags FROM alerting.curve(%(station)s, %(property)s, %(since)s, %(until)s)
