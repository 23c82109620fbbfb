"""Settings of detection: one table per property, with the defaults of gateway/model/properties.toml.

The values for PM2.5 were chosen on recordings of real sensors at 60 s and 150 s, those for methane on controlled
releases. The others are scaled by the noise of the property and by the smallest excess worth an alert. See
docs/detection.md.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct, field

from edge_agent.configuration import DEFAULTS
from gateway.model.properties import PROPERTIES

Positive = Annotated[float, Meta(gt=0)]
Fraction = Annotated[float, Meta(ge=0, le=1)]


class JudgeSettings(Struct, frozen=True, kw_only=True):
    """`[detection.property.<name>.judge]`: a second, trained step for readings that are 30 s or more apart.

    A lower threshold makes more candidates, and decision trees weigh each of them at every reading (docs/detection.md,
    "The judge"). Streams with a shorter interval have no judge and use the other settings.

    least_probability   probability from which a candidate is an event, before the station's own limit is added
    least_probability_large  the same for an excess of the lowest severity of the property
    least_probability_sure  the same for an excess of `sure` times the noise, which is a plume or a bad reading
    false_alarms        expected false alarms per sensor and day at which the limit of a station stays as it is
    drift               of a candidate, instead of that of the property
    threshold           of a candidate, instead of that of the property
    clip                of a candidate, instead of that of the property
    noise_share         part of the property's `noise_absolute` that counts for a candidate
    smallest_share      part of the property's `smallest` that a candidate needs; an event needs all of it
    """

    least_probability: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    least_probability_large: Annotated[float, Meta(gt=0, lt=1)] = 0.38
    least_probability_sure: Annotated[float, Meta(gt=0, lt=1)] = 0.2
    false_alarms: Positive = 0.5
    drift: Positive = 1.3
    threshold: Positive = 2.3
    clip: Positive = 3.4
    noise_share: Annotated[float, Meta(gt=0, le=1)] = 0.72
    smallest_share: Annotated[float, Meta(gt=0, le=1)] = 0.67

    def __post_init__(self) -> None:
        _require_two_readings(self.clip, self.drift, self.threshold)


class PeakSettings(Struct, frozen=True, kw_only=True):
    """`[detection.property.<name>]`: how peaks of one property are detected.

    The formulas are in the docstring of gateway/detection/kernels/__init__.py. A key that a table lacks has the
    default of its property (gateway/model/properties.toml); for other properties it has the listed
    default.

    on                  whether peaks of this property are detected
    polarity            1 if the signal rises with pollution, -1 if it falls; default: `direction` of the property
    background_minutes  time constant of the background
    noise_minutes       time constant of the noise
    drift               standardised excess that is subtracted from the CUSUM statistic per unit of time
    threshold           value of the CUSUM statistic above which an event opens
    clip                largest standardised excess that counts; clip - drift must be below threshold
    unit_seconds        time in which one reading adds its full excess to the CUSUM statistic
    quick               standardised excess from which `quick_seconds` count instead of `unit_seconds`
    quick_seconds       time in which a reading with such an excess adds it to the CUSUM statistic in full
    sure                standardised excess that is beyond doubt: a single one is a glitch worth a report
    noise_absolute      noise of the sensor, in the unit of the property
    noise_relative      noise of the sensor, as a fraction of the background
    smallest            smallest excess that opens an event, in the unit of the property
    smallest_among      the same while two neighbours rise or did so within 15 minutes
    freeze              speed of the background while an event is open, as a fraction of its normal speed
    hold                how much the CUSUM statistic slows down the background
    rise_limit          largest upward step that the background learns from, in standard deviations of the noise
    fall_limit          largest downward step that the background learns from, in standard deviations of the noise
    fall_speed          factor on the speed of the background while readings are well below it
    close_seconds       time that a peak must be over before its event ends
    odd                 standardised excess at which a single reading may open an event by its tail
    tail                tail after a single reading, judged with two later readings, as a multiple of the noise
    tail_now            tail after a single reading, judged with one later reading, as a multiple of the noise
    share               part of the common excess of the neighbours that is subtracted
    few_share           the same in a group of few stations
    lift                how far the common excess is moved from the median towards the upper quartile
    spread              weight of the spread among neighbours in the noise
    judge               settings of the judge; absent: every candidate is an event
    """

    on: bool = True
    polarity: Annotated[int, Meta(ge=-1, le=1)] = 1
    background_minutes: Positive = 7.4
    noise_minutes: Positive = 21.4
    drift: Positive = 1.345
    threshold: Positive = 2.29
    clip: Positive = 3.43
    unit_seconds: Positive = 40.0
    quick: Positive = 10.6
    quick_seconds: Positive = 4.0
    sure: Positive = 10.6
    noise_absolute: Positive = 0.348
    noise_relative: Annotated[float, Meta(ge=0)] = 0.003
    smallest: Positive = 0.6
    smallest_among: Annotated[float, Meta(ge=0)] = 0.0
    freeze: Fraction = 0.34
    hold: Annotated[float, Meta(ge=0)] = 0.19
    rise_limit: Positive = 3.33
    fall_limit: Positive = 2.05
    fall_speed: Annotated[float, Meta(ge=1)] = 2.0
    close_seconds: Annotated[float, Meta(ge=0)] = 30.0
    odd: Positive = 8.0
    tail: Positive = 0.5
    tail_now: Positive = 2.0
    share: Annotated[float, Meta(ge=0)] = 1.55
    few_share: Annotated[float, Meta(ge=0)] = 2.1
    lift: Annotated[float, Meta(ge=0)] = 0.393
    spread: Annotated[float, Meta(ge=0)] = 0.427
    judge: JudgeSettings | None = None

    def __post_init__(self) -> None:
        if self.polarity == 0:
            raise ValueError("polarity: 1 where the signal rises with pollution, -1 where it falls")
        _require_two_readings(self.clip, self.drift, self.threshold)


def _require_two_readings(clip: float, drift: float, threshold: float) -> None:
    if clip - drift >= threshold:
        raise ValueError("clip: clip - drift must stay below threshold, or one bad reading opens an event")


_DEFAULTS = {
    row.id: msgspec.convert({"polarity": row.direction, **row.detection}, PeakSettings)
    for row in PROPERTIES.values()
    if row.detection is not None
}


DEFAULT_TABLES = {name: msgspec.to_builtins(settings) for name, settings in _DEFAULTS.items()}


class DetectionSettings(Struct, frozen=True, kw_only=True):
    """`[detection]`: one table `[detection.property.<name>]` per property.

    property  settings per property; other properties have their defaults
    """

    property: Annotated[dict[str, PeakSettings], Meta(extra={DEFAULTS: DEFAULT_TABLES})] = field(
        default_factory=lambda: dict(_DEFAULTS)
    )

    def enabled_properties(self) -> dict[str, PeakSettings]:
        """Return the properties on which peaks are detected; detection, self-test and statistics all use this."""
        return {name: settings for name, settings in self.property.items() if settings.on}


def encode_parameters(settings: DetectionSettings, judge: str) -> str:
    """Return JSON whose hash is part of a detector's name. `judge`: SHA-256 of the judge's file."""
    parameters = {"judge": judge, "property": settings.property}
    return msgspec.json.encode(parameters, order="deterministic").decode()


def encode_logged_parameters(text: str) -> str:
    """Return the same from parameters of a log, whose JSON has another form; also of a version with fewer settings.

    Raises ValueError if they are no parameters of a detector.
    """
    logged = msgspec.json.decode(text, type=dict[str, Any])
    settings = msgspec.convert({"property": logged.get("property", {})}, DetectionSettings)
    tables = msgspec.to_builtins(settings)["property"]
    parameters = {"judge": logged["judge"]} if "judge" in logged else {}
    parameters["property"] = {name: _keep_known(tables[name], logged["property"][name]) for name in sorted(tables)}
    return msgspec.json.encode(parameters).decode()


def _keep_known(table: Mapping[str, Any], logged: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of `table` whose keys the log has, in the order of the settings."""
    return {
        key: _keep_known(value, logged[key]) if isinstance(value, dict) else value
        for key, value in table.items()
        if key in logged
    }
