"""Requests of dossiers: one event, or a period at a station."""

from msgspec import Struct

from alerting.alert import AwareTime
from alerting.vocabulary import Language


class EventRequest(Struct, frozen=True, kw_only=True, tag="event"):
    """The dossier of one event. `revision` None: the newest."""

    event: str
    revision: int | None = None
    language: Language = "nl"


class PeriodRequest(Struct, frozen=True, kw_only=True, tag="period"):
    """The dossier of a period at a station, from `start` until before `end`."""

    station: str
    start: AwareTime
    end: AwareTime
    language: Language = "nl"


DossierRequest = EventRequest | PeriodRequest


class DossierPublisher(Struct, frozen=True, kw_only=True):
    """Publisher of the dossiers. `operator`: organisation that runs the site; `public_url`: its address."""

    operator: str
    public_url: str
