"""What the kernel remembers, is told, and tells: records of fixed width. Times are ms UTC."""

import numpy as np

# Of each datastream. Its last four readings' worth of facts come first: neighbours read them.
STATE = np.dtype(
    [
        ("at", np.int64),  # last reading
        ("residual", np.float64),  # last reading above its background
        ("count", np.int64),
        ("background", np.float64),
        ("variance", np.float64),
        ("evidence", np.float64),
        ("gain", np.float64),  # beta
        ("first", np.int64),  # first reading
        ("rise", np.int64),  # first reading since the evidence was 0
        ("rise_background", np.float64),  # and the background before it
        ("revision", np.int64),  # 0: no event is open
        ("onset", np.int64),  # of the open event; so are the following
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("below_since", np.int64),  # 0: not below
        ("peak", np.float64),
        ("peak_background", np.float64),
        ("peak_noise", np.float64),
        ("told", np.float64),  # excess as last told
        ("below", np.int32),  # readings
        ("kind", np.int32),
        ("readings", np.int32),  # since the rise; so are the following
        ("humid", np.int32),  # readings in humid air
        ("flags", np.int32),  # any reading's
        ("agrees", np.int16),  # readings to which a collocated twin said the same
        ("disagrees", np.int16),
        ("wind_east", np.float32),  # sums of unit vectors the wind comes from
        ("wind_north", np.float32),
        ("wind_speed", np.float32),
        ("wind_readings", np.int32),
        ("odd_since", np.int64),  # what stands out but is no peak: one reading, or a sensor that says it is unwell
        ("odd_until", np.int64),
        ("odd_peak", np.float64),
        ("odd_level", np.float64),
        ("odd_noise", np.float64),
        ("odd_flags", np.int32),
        ("odd_count", np.int32),
    ]
)

# Of each group of neighbours: what they have in common, and the episode that all of them are in.
GROUP = np.dtype(
    [
        ("common", np.float64),
        ("spread", np.float64),
        ("turn", np.int64),
        ("due", np.int64),  # the turn at which a large group looks anew
        ("at", np.int64),
        ("evidence", np.float64),
        ("rise", np.int64),
        ("revision", np.int64),  # 0: no episode
        ("onset", np.int64),
        ("detected", np.int64),
        ("peak_at", np.int64),
        ("peak", np.float64),  # of what they have in common
        ("peak_background", np.float64),  # and of the datastream that spoke then
        ("peak_noise", np.float64),
        ("told", np.float64),
        ("below", np.int64),
        ("below_since", np.int64),
        ("slot", np.int64),  # the datastream that spoke when it began
    ]
)

# Of each area: where the wind came from last, as an exponential mean over ten minutes of unit vectors.
WIND = np.dtype([("east", np.float64), ("north", np.float64), ("speed", np.float64), ("at", np.int64)])

# Of each observed property.
PARAMETERS = np.dtype(
    [
        ("on", np.float64),  # 0: not detected on
        ("polarity", np.float64),  # -1 where the signal falls when pollution rises
        ("background_rate", np.float64),  # a minute
        ("noise_rate", np.float64),  # a minute
        ("drift", np.float64),
        ("threshold", np.float64),
        ("clip", np.float64),
        ("unit_rate", np.float64),  # a minute
        ("sure", np.float64),
        ("sure_rate", np.float64),  # a minute
        ("noise_absolute", np.float64),
        ("noise_relative", np.float64),
        ("smallest", np.float64),
        ("freeze", np.float64),
        ("hold", np.float64),
        ("rise_limit", np.float64),
        ("fall_limit", np.float64),
        ("close_seconds", np.float64),
        ("share", np.float64),
        ("few_share", np.float64),
        ("lift", np.float64),
        ("spread", np.float64),
    ]
)

WHO = 8  # neighbours named with a change
CHANGE = np.dtype(
    [
        ("row", np.int64),
        ("change", np.int32),
        ("kind", np.int32),
        ("slot", np.int32),
        ("fresh", np.int32),  # neighbours that spoke lately
        ("risen", np.int32),  # those of them that rose too
        ("who", np.int32, (WHO,)),
        ("state", STATE),
        ("group", GROUP),
    ]
)
OPENED, UPDATED, ENDED, VOIDED, MERGED = 1, 2, 3, 4, 5
PEAK, REGIONAL, GLITCH, HUMIDITY, SENSOR = 0, 1, 2, 3, 4
