"""The search for a reader's own place: names, postcodes, and the reasons for no result."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.api.data.area_base import PlaceName
from gateway.api.data.gazetteer import (
    Gazetteer,
    SearchFailure,
    build_gazetteer,
    normalise_name,
    sort_by_distance,
)
from gateway.api.data.registry import StationRow

PLACES = [
    PlaceName(name="Wijk aan Zee", latitude=52.494, longitude=4.594, postcodes=("1949",), rank=1),
    PlaceName(name="Beverwijk", latitude=52.483, longitude=4.657, postcodes=("1941", "1942"), rank=1),
    PlaceName(name="'s-Gravendeel", latitude=51.78, longitude=4.62, postcodes=(), rank=1),
    PlaceName(name="Één Plaats", latitude=52.0, longitude=4.0, postcodes=(), rank=1),
]
STATIONS = [
    StationRow(id="bev", area="ijmond", name="Beverwijk, centrum", latitude=52.486, longitude=4.657),
    StationRow(id="wijk", area="ijmond", name="Wijk aan Zee", latitude=52.494, longitude=4.594),
    StationRow(id="twin", area="ijmond", name="Twin", latitude=52.494, longitude=4.594),
]
GAZETTEER = build_gazetteer(PLACES, STATIONS)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("1949", "Wijk aan Zee"),
        (" 1949 ab ", "Wijk aan Zee"),
        ("1942XY", "Beverwijk"),
        ("wijk aan zee", "Wijk aan Zee"),
        ("WIJK-AAN-ZEE", "Wijk aan Zee"),
        ("bever", "Beverwijk"),
        ("beverwijk, centrum", "Beverwijk, centrum"),
        ("zee", "Wijk aan Zee"),
        ("s gravendeel", "'s-Gravendeel"),
        ("een plaats", "Één Plaats"),
    ],
)
def test_a_place_has_its_name_or_its_postcode(text, name):
    assert GAZETTEER.search(text).name == name


@pytest.mark.parametrize(
    ("text", "failure"),
    [("9999", SearchFailure.POSTCODE), ("9999 ZZ", SearchFailure.POSTCODE), ("Atlantis", SearchFailure.NAME),
     ("", SearchFailure.NAME), ("?!", SearchFailure.NAME), ("0123", SearchFailure.NAME)],
)  # fmt: skip
def test_a_search_without_a_result_has_a_reason(text, failure):
    assert GAZETTEER.search(text) is failure


def test_a_station_with_the_name_of_a_place_is_listed_once():
    assert [place.name for place in GAZETTEER.places].count("Wijk aan Zee") == 1


@given(st.text(max_size=200))
def test_any_text_is_a_place_or_a_failure(text):
    assert isinstance(GAZETTEER.search(text), PlaceName | SearchFailure)
    assert normalise_name(normalise_name(text)) == normalise_name(text)


def test_without_places_no_name_has_a_result():
    assert Gazetteer(()).search("Beverwijk") is SearchFailure.NAME


def test_the_nearest_station_comes_first_and_equals_by_id():
    ranked = sort_by_distance(STATIONS, 52.494, 4.594)
    assert [station.id for _, station in ranked] == ["twin", "wijk", "bev"]
    assert ranked[0][0] == 0
    assert 4_000 < ranked[2][0] < 4_600
