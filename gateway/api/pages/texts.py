"""Keys of the texts that the modules in the browser show; the texts are in the catalogue, context `page`."""

LIVE_TEXTS = (
    "silent", "no_valid", "live", "connecting", "lost", "resting", "since", "until", "times", "seconds",
    "minutes", "minor", "moderate", "severe", "extreme", "peak", "mean", "when", "corrected",
    "also", "second", "seconds_long", "minutes_long", "hours_long", "days_long", "no_humidity",
    "humidity_flagged", "too_humid", "share_unit", "possible_peak",
)  # fmt: skip

CHART_TEXTS = ("chart_zoom_in", "chart_zoom_out", "chart_zoom_all", "chart_hint", "share_moment")

FIRST_SCREEN_TEXTS = (
    "meaning_peak", "meaning_raised", "meaning_quiet", "meaning_no_data", "air_quiet_place", "air_no_data_place",
    "air_far", "air_elsewhere", "place_no_postcode", "place_no_name", "location_refused", "location_unknown",
    "location_private", "here", "nearest_to", "nearest_all", "own_stations", "star_add", "star_remove",
)  # fmt: skip

PLAYBACK_TEXTS = ("play", "pause", "playback_failed", "playback_frame", "moment_was", "share_moment", "back_to_now")

# Of the map of stations: `map_<name>` in the catalogue, `<name>` in the script.
MAP_TEXTS = ("wind", "looking", "peak_today", "no_peak_today", "chart", "stations_here")
