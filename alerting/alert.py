"""The contract between detection and alerting: the Alert.

Alerting owns its inbox, so the contract is here; the gateway imports it and puts Alerts into
`alerting.inbox` inside the transaction that stores the event. One Alert is one revision of one
event. (event_id, revision) is its permanent key, so that putting it twice changes nothing.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal

from msgspec import Meta, Struct

from alerting.averaging import AveragingRule

AwareTime = Annotated[datetime, Meta(tz=True)]


NETWORK_KINDS = frozenset({"silent", "undeliverable", "copied", "wrong_clock"})
GUEST_PREFIX = "guest-"  # of the ids of stations of guests, as edge_agent.wire has it
TEST_KIND = "test"  # of a message that somebody sends to try a receiver; it is never stored as an alert


class Change(StrEnum):
    """The change to the event in this revision."""

    OPENED = "opened"
    UPDATED = "updated"
    ENDED = "ended"
    VOIDED = "voided"  # later readings show that it was no event: every notified receiver gets a correction


def is_guest_station(station: str) -> bool:
    """Whether a station is of a guest: a sensor of somebody else, which signs nothing."""
    return station.startswith(GUEST_PREFIX)


def peak_averaging(kind: str) -> Literal["raw", "area"]:
    """Return what the peak of an event of this kind is: a single reading, or a figure computed over the area."""
    return "area" if kind == "regional" else "raw"


class Severity(StrEnum):
    """The severities of CAP 1.2, from least to worst."""

    MINOR = "minor"
    MODERATE = "moderate"
    SEVERE = "severe"
    EXTREME = "extreme"

    @property
    def rank(self) -> int:
        """0 for the least; severities are compared by rank."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Place(Struct, frozen=True, kw_only=True):
    """A name and its public position in WGS 84 degrees."""

    name: str
    latitude: Annotated[float, Meta(ge=-90, le=90)]
    longitude: Annotated[float, Meta(ge=-180, le=180)]


class NearSite(Struct, frozen=True, kw_only=True):
    """A watched facility as seen from the station: bearing in degrees from north, distance in metres.

    `is_upwind`: the wind during the event came from there. It hints at a source but proves nothing.
    """

    name: str
    bearing: float
    distance: float
    is_upwind: bool = False


class AlertWind(Struct, frozen=True, kw_only=True):
    """Wind during the event: where it came from in degrees from north, its mean speed in m/s."""

    direction: float
    speed: float


class Corroboration(Struct, frozen=True, kw_only=True):
    """Neighbours that rose too: `risen` of `total` with valid readings, within `window` seconds (0: unknown)."""

    risen: int
    total: int
    window: int = 0


class Alert(Struct, frozen=True, kw_only=True):
    """One revision of one event, with all that a route or a reader needs.

    Concentrations are in `unit` (UCUM); `excess` is peak above background; times are UTC.
    `plume` is the id of the plume that the event belongs to; empty: of an older alert, or not about the air.
    """

    event_id: str
    revision: Annotated[int, Meta(ge=1)]
    change: Change
    plume: str = ""
    area: str
    station: str
    place: Place
    observed_property: str
    property_name: dict[str, str] = {}  # how people call it, per language: {"nl": ..., "en": ...}
    property_order: int = 0  # position of the property in the registry: of equal events the first property leads
    unit: str
    averaging: AveragingRule = AveragingRule.ARITHMETIC  # of the property's values
    severity: Severity
    confidence: Annotated[float, Meta(ge=0, le=1)]
    kind: str = "peak"  # peak | regional | humidity | glitch | ...: as the detector names it
    onset: AwareTime
    peak_at: AwareTime
    detected_at: AwareTime
    end: AwareTime | None = None
    peak: float
    background: float
    excess: float
    reasons: tuple[str, ...] = ()
    sentence: dict[str, str] = {}  # one plain sentence a language: {"nl": ..., "en": ...}
    sites: tuple[NearSite, ...] = ()
    wind: AlertWind | None = None
    neighbours: Corroboration | None = None  # None: not known
    detector: str  # name@version#hash of its parameters
    detected_late: bool = False  # found in late data: recorded, never paged as live
    only_guests: bool = False  # no station of the network itself saw it: recorded and shown, and nobody is notified

    @property
    def labels(self) -> dict[str, str | tuple[str, ...]]:
        """The labels that matchers test; of a label with several values one must match."""
        return {
            "area": self.area,
            "site": tuple(site.name for site in self.sites),
            "station": self.station,
            "property": self.observed_property,
            "severity": self.severity.value,
            "kind": self.kind,
            "late": str(self.detected_late).lower(),
        }

    def name_property(self, language: str) -> str:
        """Return the property's name for people; its id if the alert carries no name."""
        return self.property_name.get(language, self.observed_property)

    @property
    def peak_averaging(self) -> Literal["raw", "area"]:
        """The averaging of `peak`; every text and document has it beside the figure."""
        return peak_averaging(self.kind)

    @property
    def falls(self) -> bool:
        """Whether the signal fell: some raw signals do when the air gets worse."""
        return self.peak < self.background

    @property
    def page_path(self) -> str:
        """The address of its page below that of the site: of the whole plume, else of the event."""
        return f"/plumes/{self.plume}" if self.plume else f"/events/{self.event_id}"

    @property
    def is_about_network(self) -> bool:
        """Whether it is about missing data or deliveries and not about the air; `sentence` then holds all of it."""
        return self.kind in NETWORK_KINDS or self.is_test

    @property
    def is_test(self) -> bool:
        """Whether this is a test message: nobody has to act."""
        return self.kind == TEST_KIND

    @property
    def firing(self) -> bool:
        """True until the event has ended or was voided."""
        return self.change in {Change.OPENED, Change.UPDATED}
