"""`[assessment.hazard_index]` of piekwacht.toml: substances with limits, declared sensors and mixtures.

Every limit has a source and a date, every declaration an author and a date. ValueError names what is wrong; the reader
of the file makes it one sentence.
"""

from datetime import date
from math import fsum, isclose
from typing import Annotated

from msgspec import Meta, Struct

Text = Annotated[str, Meta(min_length=1)]
_SUM_TOLERANCE = 1e-6


class HazardSubstance(Struct, frozen=True, kw_only=True):
    """`[[assessment.hazard_index.substance]]`: a substance of the index.

    name       name of the substance in samples and declarations, such as benzene
    limit      limit of the mean over a year, in ug/m3
    source     document of the limit, with the table
    published  date of the document
    """

    name: Text
    limit: Annotated[float, Meta(gt=0)]
    source: Text
    published: date


class HazardSensor(Struct, frozen=True, kw_only=True):
    """`[[assessment.hazard_index.sensor]]`: a sensor of one declared gas, or of a total with a declared mixture.

    station              id of the station
    observed_property    what the sensor measures, such as voc_ppb
    substance            the only gas that it responds to here; or `mixture`
    mixture              name of a mixture, for a total of volatile compounds
    micrograms_per_unit  ug/m3 of the gas or the total per unit of the sensor
    uncertainty          relative uncertainty of a mean over a year, such as 0.3
    author               who declares this
    declared             date of the declaration
    """

    station: Text
    observed_property: Text
    substance: str = ""
    mixture: str = ""
    micrograms_per_unit: Annotated[float, Meta(gt=0)]
    uncertainty: Annotated[float, Meta(ge=0)]
    author: Text
    declared: date

    def __post_init__(self) -> None:
        """Reject a sensor without exactly one of gas and mixture."""
        if bool(self.substance) == bool(self.mixture):
            raise ValueError(f"hazard_index: the sensor at {self.station!r} needs either `substance` or `mixture`")


class MixtureProfile(Struct, frozen=True, kw_only=True):
    """`[[assessment.hazard_index.mixture]]`: shares of the mass of a total of volatile compounds.

    name       name for `mixture` of sensors
    fractions  share of each substance; they add up to 1, so name the remainder too
    author     who determined the mixture
    declared   date of the profile
    source     report or measurement of the profile
    """

    name: Text
    fractions: dict[str, Annotated[float, Meta(ge=0, le=1)]]
    author: Text
    declared: date
    source: Text

    def __post_init__(self) -> None:
        """Reject shares that do not add up to 1: a part of the total would be forgotten or counted twice."""
        total = fsum(self.fractions.values())
        if not isclose(total, 1.0, abs_tol=_SUM_TOLERANCE):
            raise ValueError(
                f"hazard_index: the mixture {self.name!r} adds up to {total:g} and not to 1; "
                "name the remainder as a substance of its own"
            )


class HazardIndexSettings(Struct, frozen=True, kw_only=True):
    """`[assessment.hazard_index]`: the Hazard Index of a rolling year. Absent: there is none.

    substance  substances of the index, all of which are needed
    sensor     declared sensors
    mixture    declared mixtures
    """

    substance: Annotated[list[HazardSubstance], Meta(min_length=1)]
    sensor: list[HazardSensor] = []
    mixture: list[MixtureProfile] = []

    def __post_init__(self) -> None:
        """Reject double names, sensors of unknown mixtures and gases without a limit."""
        names = [row.name for row in self.substance]
        mixtures = [row.name for row in self.mixture]
        for kind, list_ in (("substance", names), ("mixture", mixtures)):
            double = next((name for name in list_ if list_.count(name) > 1), None)
            if double is not None:
                raise ValueError(f"hazard_index: there are two {kind}s {double!r}; remove one of them")
        for row in self.sensor:
            if row.mixture and row.mixture not in mixtures:
                raise ValueError(f"hazard_index: the sensor at {row.station!r} has the unknown mixture {row.mixture!r}")
            if row.substance and row.substance not in names:
                raise ValueError(
                    f"hazard_index: {row.substance!r} of the sensor at {row.station!r} has no limit; "
                    "add it to `substance` with limit, source and date"
                )
