"""Keys of the texts that the modules in the browser show; the texts are in the catalogue, context `page`."""

LIVE_TEXTS = (
    "silent", "no_valid", "live", "connecting", "lost", "resting", "since", "until", "times", "seconds",
    "minutes", "minor", "moderate", "severe", "extreme", "peak", "mean", "when", "corrected",
    "also", "second", "seconds_long", "minutes_long", "hours_long", "no_humidity",
    "humidity_flagged", "too_humid",
)  # fmt: skip

# Of the map of stations: `map_<name>` in the catalogue, `<name>` in the script.
MAP_TEXTS = ("wind", "looking", "peak_today", "no_peak_today", "chart", "stations_here")
