"""Names and postcodes of places near the stations, for the search of a reader's own place. Pure.

The places are those of the drawn base maps, and the stations. No other service is requested.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from enum import StrEnum

from gateway.api.data.area_base import PlaceName
from gateway.api.data.registry import StationRow
from gateway.model.geodesy import bearing_and_distance

_POSTCODE = re.compile(r"\s*([1-9][0-9]{3})\s*([a-z]{2})?\s*", re.IGNORECASE)
_MAX_TEXT = 80
_STATION_RANK = 9  # after all places


class SearchFailure(StrEnum):
    """Why a search has no place; a key of the page's texts."""

    POSTCODE = "place_no_postcode"
    NAME = "place_no_name"


class Gazetteer:
    """Finds a place by its name or postcode."""

    def __init__(self, places: Iterable[PlaceName]) -> None:
        self.places: Sequence[PlaceName] = tuple(places)
        self._names = [(normalise_name(place.name), place) for place in self.places]

    def search(self, text: str) -> PlaceName | SearchFailure:
        """The place of a postcode, else the one whose name is the text, begins with it or contains it after a space."""
        text = text[:_MAX_TEXT]
        postcode = _POSTCODE.fullmatch(text)
        if postcode is not None:
            match = next((place for place in self.places if postcode[1] in place.postcodes), None)
            return match or SearchFailure.POSTCODE
        query = normalise_name(text)
        if not query:
            return SearchFailure.NAME
        ranked = [(rank, place) for name, place in self._names if (rank := _rank_match(name, query)) is not None]
        return min(ranked, key=lambda pair: pair[0])[1] if ranked else SearchFailure.NAME


def build_gazetteer(drawn_places: Iterable[PlaceName], stations: Iterable[StationRow]) -> Gazetteer:
    """The places of the base maps, before the stations of other names."""
    places = list(drawn_places)
    names = {normalise_name(place.name) for place in places}
    places += [
        PlaceName(
            name=station.name,
            latitude=station.latitude,
            longitude=station.longitude,
            postcodes=(),
            rank=_STATION_RANK,
        )
        for station in stations
        if normalise_name(station.name) not in names
    ]
    return Gazetteer(places)


def sort_by_distance(
    stations: Iterable[StationRow], latitude: float, longitude: float
) -> list[tuple[float, StationRow]]:
    """Each station with its distance in metres, the nearest first."""
    return sorted(
        (
            (bearing_and_distance(latitude, longitude, station.latitude, station.longitude)[1], station)
            for station in stations
        ),
        key=lambda pair: (pair[0], pair[1].id),
    )


def normalise_name(text: str) -> str:
    """Lower case without accents, with single spaces: `Wijk-aan-Zee` and `wijk aan zee` are equal."""
    letters = unicodedata.normalize("NFKD", text).casefold()
    return " ".join(re.findall(r"[^\W_]+", "".join(c for c in letters if not unicodedata.combining(c))))


def _rank_match(name: str, query: str) -> tuple[int, int, str] | None:
    if name == query:
        return 0, 0, name
    if name.startswith(query):
        return 1, len(name), name
    return (2, len(name), name) if f" {query}" in name else None
