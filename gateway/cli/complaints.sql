-- name: select_time_zone
SELECT time_zone FROM area WHERE id = %(area)s
