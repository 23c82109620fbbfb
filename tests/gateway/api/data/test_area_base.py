"""The drawn base maps: valid GeoJSON, inside their area, with a source everywhere, and light enough for a phone."""

import gzip
import json
from itertools import combinations, pairwise

import pytest

from gateway.api.data.area_base import FILE_NAME, find_shipped_folder, load_bases, read_base
from gateway.api.data.outlines import box_of
from gateway.demo.stations import SITE_PATH
from gateway.enrolment.site_file import read_site_file
from gateway.errors import StartError

AREAS = ("chemelot", "dordrecht", "ijmond", "nijmegen")
BASES = load_bases()


def positions_of(geometry):
    kind, coordinates = geometry["type"], geometry["coordinates"]
    return [coordinates] if kind == "Point" else coordinates if kind == "LineString" else coordinates[0]


def side(a, b, c):
    return (b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0])


def cross(first, second):
    (a, b), (c, d) = first, second
    return side(a, b, c) * side(a, b, d) < 0 and side(c, d, a) * side(c, d, b) < 0


def contains(ring, longitude, latitude):
    inside = False
    for (ax, ay), (bx, by) in pairwise(ring):
        if (ay > latitude) != (by > latitude) and longitude < (bx - ax) * (latitude - ay) / (by - ay) + ax:
            inside = not inside
    return inside


def test_each_pilot_area_has_a_base_map():
    assert tuple(BASES) == AREAS


@pytest.mark.parametrize("area", AREAS)
def test_every_feature_is_inside_its_area_and_has_source_and_accuracy(area):
    west, south, east, north = BASES[area].bbox
    for feature in BASES[area].features:
        properties, positions = feature["properties"], positions_of(feature["geometry"])
        assert len(properties["source"]) > 5, properties
        assert 20 <= properties["accuracy"] <= 500, properties
        is_named = properties["source"].startswith("GeoNames")
        method = "position of GeoNames" if is_named else "drawn by hand, not compared with the source"
        assert properties["method"] == method, properties
        assert all(west <= longitude <= east and south <= latitude <= north for longitude, latitude in positions)
        if feature["geometry"]["type"] == "Polygon":
            assert positions[0] == positions[-1]
            assert len(positions) > 3


@pytest.mark.parametrize("area", AREAS)
def test_no_outline_crosses_itself(area):
    for feature in BASES[area].features:
        if feature["geometry"]["type"] == "Polygon":
            edges = list(pairwise(positions_of(feature["geometry"])))
            assert not any(cross(*pair) for pair in combinations(edges, 2)), feature["properties"]


@pytest.mark.parametrize("area", AREAS)
def test_a_base_map_shows_water_roads_railways_and_places(area):
    kinds = {feature["properties"]["kind"] for feature in BASES[area].features}
    assert {"water", "motorway", "rail", "built", "site", "place"} <= kinds
    assert all(len(code) == 4 and code.isdigit() for place in BASES[area].places for code in place.postcodes)
    codes = [code for place in BASES[area].places for code in place.postcodes]
    assert len(codes) == len(set(codes)) > 5
    assert len(gzip.compress((find_shipped_folder() / area / FILE_NAME).read_bytes())) < 40_000
    assert len(gzip.compress(json.dumps(BASES[area].drawing).encode())) < 8_000


def test_the_sites_and_stations_of_the_demo_lie_where_the_base_map_has_them():
    contents, base = read_site_file(SITE_PATH), BASES["ijmond"]
    outlines = {f["properties"]["id"]: positions_of(f["geometry"]) for f in base.features if "id" in f["properties"]}
    for site in contents.site:
        assert contains(outlines[site.id], site.longitude, site.latitude)
    sea = next(positions_of(f["geometry"]) for f in base.features if f["properties"]["kind"] == "sea")
    for station in contents.station:
        for ring in (*outlines.values(), sea):
            assert not contains(ring, station.longitude, station.latitude), station.name
    box = box_of(contents.area.outline)
    assert base.bbox[0] <= box[0] <= box[2] <= base.bbox[2]
    assert base.bbox[1] <= box[1] <= box[3] <= base.bbox[3]


PLACE = {
    "type": "Feature",
    "properties": {"kind": "place", "name": "Wijk", "rank": 1, "source": "BAG", "accuracy": 100},
    "geometry": {"type": "Point", "coordinates": [4.6, 52.5]},
}


def write(folder, features, **document):
    path = folder / "wijk" / FILE_NAME
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "bbox": [4, 52, 5, 53], "features": features, **document}))
    return path


def test_a_folder_of_the_operator_adds_an_area(tmp_path):
    write(tmp_path, [PLACE])
    bases = load_bases(tmp_path)
    assert set(bases) == {*AREAS, "wijk"}
    assert [place.name for place in bases["wijk"].places] == ["Wijk"]
    assert "source" not in bases["wijk"].drawing["features"][0]["properties"]


@pytest.mark.parametrize(
    ("features", "document", "sentence"),
    [
        ([PLACE], {"bbox": None}, "is no base map: GeoJSON with `bbox` and `features` is needed"),
        ([1], {}, "feature 1: a Feature with `properties`, `kind` and `geometry` is needed"),
        ([{**PLACE, "properties": {"kind": "castle"}}], {}, "feature 1: the kind 'castle' is unknown"),
        ([{**PLACE, "properties": {"kind": "sea"}}], {}, "a feature of the kind 'sea' is a Polygon, not a Point"),
        ([{**PLACE, "properties": {"kind": "place", "name": "X"}}], {}, "`source` is missing"),
    ],
    ids=["bounds", "number", "kind", "geometry", "source"],
)
def test_a_wrong_file_is_refused_in_a_sentence(tmp_path, features, document, sentence):
    path = write(tmp_path, features, **document)
    with pytest.raises(StartError, match=r"base\.geojson") as refusal:
        read_base(path)
    assert sentence in str(refusal.value)


def test_a_file_that_is_cut_is_refused(tmp_path):
    path = write(tmp_path, [PLACE])
    path.write_text(path.read_text()[:-20])
    with pytest.raises(StartError, match="is no base map"):
        read_base(path)
