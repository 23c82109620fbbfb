"""The public part of the registry: areas, sites, stations, properties and datastreams, held in memory. Pure.

`LatestValues` loads it from the database; routes, pages and feeds read it. Each row type has the columns of the query
`select_<collection>` in queries.sql; calibrations are those of gateway.quality.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from gateway.api.schemas.schema import Json
from gateway.export.selection import Averaging, Selection
from gateway.model.legal_day import LEGAL_TIME_ZONE
from gateway.model.properties import PROPERTIES
from gateway.quality.calibration import AppliedRule, CalibrationVersion, find_calibration
from gateway.quality.correction import choose_rule
from gateway.quality.humidity_correction import HUMIDITY_PROPERTY, find_rule


@dataclass(frozen=True, kw_only=True, slots=True)
class AreaRow:
    """An area of jurisdiction. `outline`: a GeoJSON geometry, CRS84. `time_zone`: whose legal days it has."""

    id: str
    name: str
    authority: str
    outline: Json
    time_zone: str = LEGAL_TIME_ZONE


@dataclass(frozen=True, kw_only=True, slots=True)
class SiteRow:
    """A watched facility. Its position is in degrees, WGS 84."""

    id: str
    area: str
    name: str
    operator: str
    latitude: float
    longitude: float


@dataclass(frozen=True, kw_only=True, slots=True)
class StationRow:
    """A station. Its position is in degrees, rounded to three decimals. `number`: its id where ids are numbers."""

    id: str
    area: str
    name: str
    latitude: float
    longitude: float
    number: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class MobileRow:
    """A station that moves; see gateway.model.mobile_station."""

    id: str
    area: str
    name: str
    vehicle: str
    has_exhaust: bool
    is_private: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class ObservedPropertyRow:
    """An observed property, its UCUM unit, its names, and the limits outside which a value is flagged."""

    id: str
    unit: str
    name_nl: str
    name_en: str
    lower: float | None
    upper: float | None

    @property
    def names_in_text(self) -> dict[str, str]:
        """The name in mails and sentences by language: of the shipped registry, else of the database."""
        shipped = PROPERTIES.get(self.id)
        return {"nl": self.name_nl, "en": self.name_en} if shipped is None else shipped.names_in_text


@dataclass(frozen=True, kw_only=True, slots=True)
class DatastreamRow:
    """One observed property of one node at one station."""

    id: int
    station: str
    node: str
    observed_property: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class PublicRegistry:
    """The rows by id, in order of id."""

    areas: Mapping[str, AreaRow] = field(default_factory=dict)
    sites: Mapping[str, SiteRow] = field(default_factory=dict)
    stations: Mapping[str, StationRow] = field(default_factory=dict)
    mobile_stations: Mapping[str, MobileRow] = field(default_factory=dict)
    properties: Mapping[str, ObservedPropertyRow] = field(default_factory=dict)
    datastreams: Mapping[int, DatastreamRow] = field(default_factory=dict)
    calibrations: Mapping[tuple[str, str], Sequence[CalibrationVersion]] = field(
        default_factory=dict
    )  # by (node, property)

    def datastreams_of(self, station: str, observed_property: str) -> Sequence[int]:
        """Ids of the datastreams of a property at a station: one per node that ever measured there."""
        return self._ids_by_place.get((station, observed_property), ())

    def humidity_sources(self, ids: Sequence[int]) -> dict[int, int]:
        """Per datastream the datastream of the humidity at its station: of the same node, else of another."""
        sources = {}
        for id_ in ids:
            datastream = self.datastreams[id_]
            candidates = self.datastreams_of(datastream.station, HUMIDITY_PROPERTY)
            if candidates:
                sources[id_] = min(
                    candidates,
                    key=lambda candidate: (self.datastreams[candidate].node != datastream.node, candidate),
                )
        return sources

    def calibrations_of(self, ids: Sequence[int]) -> dict[int, Sequence[CalibrationVersion]]:
        """Per datastream that has a calibration all versions of it."""
        keys = {id_: (self.datastreams[id_].node, self.datastreams[id_].observed_property) for id_ in ids}
        return {id_: self.calibrations[key] for id_, key in keys.items() if key in self.calibrations}

    def list_calibrations(self) -> list[CalibrationVersion]:
        """Every version of every calibration, by node, property and version."""
        return [version for versions in self.calibrations.values() for version in versions]

    def has_correction(self, station: str, observed_property: str) -> bool:
        """Whether values of a property at a station can have a corrected value beside them."""
        ids = self.datastreams_of(station, observed_property)
        return find_rule(observed_property) is not None or bool(self.calibrations_of(ids))

    def find_applied_rule(self, node: str, observed_property: str, at: datetime) -> AppliedRule | None:
        """The rule by which values of a property of a node are corrected at a moment; None: they are not."""
        versions = self.calibrations.get((node, observed_property), ())
        return choose_rule(observed_property, find_calibration(versions, at))

    def build_selection(
        self, station: str, observed_property: str, period: tuple[datetime, datetime], averaging: Averaging,
        ids: Sequence[int] | None = None,
    ) -> Selection:  # fmt: skip
        """The selection of a known property at a known station; `ids`: only these datastreams."""
        datastream_ids = self.datastreams_of(station, observed_property) if ids is None else ids
        return Selection(
            station=station,
            observed_property=observed_property,
            unit=self.properties[observed_property].unit,
            ids=datastream_ids,
            start=period[0],
            end=period[1],
            averaging=averaging,
            humidity_datastreams=self.humidity_sources(datastream_ids),
            calibrations=self.calibrations_of(datastream_ids),
            time_zone=self.time_zone_of(station),
        )

    def time_zone_of(self, station: str) -> str:
        """The time zone whose legal days a known station has: that of its area."""
        return self.areas[self.stations[station].area].time_zone

    @cached_property
    def _ids_by_place(self) -> dict[tuple[str, str], list[int]]:
        ids: dict[tuple[str, str], list[int]] = {}
        for row in self.datastreams.values():
            ids.setdefault((row.station, row.observed_property), []).append(row.id)
        return ids
