"""The load of both: a reading every 50 ms, a commit twice a second."""

INTERVAL, COMMIT_INTERVAL = 0.05, 0.5  # s
VALUES = {
    "pm1": 6.1,
    "pm2_5": 9.2,
    "pm4": 11.3,
    "pm10": 15.4,
    "voc_raw": 30_500.0,
    "nox_raw": 16_500.0,
    "temperature": 11.25,
    "humidity": 78.5,
}
