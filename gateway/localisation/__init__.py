"""The region of places that a plume may come from. Pure: arrays in, a region or the reason for a refusal out.

At each moment a station is high or low. A station that is high while the air comes from 250 degrees is evidence for
places in that direction. A station that has the same wind and stays low is evidence against them. Notation, for a
candidate place at bearing b from a station, and the wind from direction d:

    footprint   f = exp(-(b - d)^2 / 2 spread^2)             how much of a plume from there reaches the station
    high        p = p0 + (p1 - p0) f                         p0: high for another reason; p1: high if it lies downwind
    rose        R(b) = w * sum over moments of log p if the station was high, of log(1 - p) if it was low
    place       log L(x) = sum over stations of R(bearing of x from the station)

`w` is the interval of the moments divided by the time in which air and source change: moments near each other are no
independent evidence. A vane that points some degrees wrong turns all roses together, so L is averaged over such errors.
The distance is not used, because the strength of the source is unknown.

The regions hold 50 and 90 % of the probability, if there is one source and it lies within the grid. A region gives a
direction and names no cause.
"""
