"""The Web Map Service, judged by owslib on a real server; its pictures by their pixels."""

import asyncio
import io
from xml.etree import ElementTree as ET

import pytest
from owslib.wms import WebMapService
from PIL import Image

from gateway.api.features.projections import BY_CODE
from gateway.api.map_service.drawing import find_class, list_layers
from tests.gateway.api.open_faces.conftest import ABSURD

pytestmark = pytest.mark.asyncio(loop_scope="session")
BASE = "/wms?SERVICE=WMS&VERSION=1.3.0&REQUEST="
BOX = "4.494,52.394,4.694,52.594"
GET_MAP = f"{BASE}GetMap&LAYERS=pm2_5&STYLES=&CRS=CRS:84&BBOX={BOX}&WIDTH=200&HEIGHT=200&FORMAT=image/png"
EXCEPTION = "{http://www.opengis.net/ogc}ServiceException"


def open_picture(content):
    return Image.open(io.BytesIO(content)).convert("RGBA")


async def test_owslib_reads_capabilities_map_and_info(town):
    def judge():
        service = WebMapService(f"{town.root}/wms", version="1.3.0")
        layer = service["pm2_5"]
        picture = service.getmap(
            layers=["pm2_5"], srs="EPSG:28992", bbox=(90_000, 480_000, 120_000, 510_000), size=(300, 300),
            format="image/png", transparent=True,
        )  # fmt: skip
        info = service.getfeatureinfo(
            layers=["pm2_5"], srs="CRS:84", bbox=(4.494, 52.394, 4.694, 52.594), size=(200, 200), format="image/png",
            query_layers=["pm2_5"], info_format="application/json", xy=(99, 99),
        )  # fmt: skip
        return service.identification, list(service.contents), layer, picture.read(), info.read()

    identification, layers, layer, picture, info = await asyncio.to_thread(judge)
    assert identification.title == "Piekwacht"
    assert layers == list_layers()
    assert set(layer.crsOptions) == set(BY_CODE)
    assert layer.queryable
    colours = open_picture(picture).getcolors(100_000)
    assert max(colours)[1][3] == 0  # mostly transparent
    assert b'"station"' not in info
    assert b"21.0" in info


@pytest.mark.parametrize("code", BY_CODE)
async def test_a_station_stands_at_the_same_place_in_every_coordinate_system(town, code):
    projection = BY_CODE[code]
    x, y = projection.project(4.594, 52.494)
    half = 0.1 if projection.decimals else 5_000
    first, second = (y, x) if projection.is_swapped else (x, y)
    box = f"{first - half},{second - half},{first + half},{second + half}"
    response = await town.get(f"{BASE}GetMap&LAYERS=pm2_5&CRS={code}&BBOX={box}&WIDTH=200&HEIGHT=200")
    assert response.headers["content-type"] == "image/png"
    picture = open_picture(response.content)
    assert picture.size == (200, 200)
    assert find_class("pm2_5", 21.0) == 2
    assert picture.getpixel((100, 92)) == (0xF2, 0xC4, 0x6D, 255)
    assert picture.getpixel((2, 2)) == (255, 255, 255, 255)


async def test_info_is_the_value_of_the_api_and_the_nearest_first(town):
    path = f"{GET_MAP.replace('GetMap', 'GetFeatureInfo')}&QUERY_LAYERS=pm2_5&I=99&J=99"
    (feature,) = (await town.get(path)).json()["features"]
    newest = (await town.get("/api/v1/stations/wijk-aan-zee")).json()["properties"]["newest"]["pm2_5"]
    assert feature["properties"]["mean"] == newest["mean"] != ABSURD
    assert feature["properties"]["observedAt"] == newest["observedAt"]
    text = await town.get(f"{path}&INFO_FORMAT=text/plain")
    assert text.text == "Wijk Aan Zee: pm2_5 = 21.0 (mean of 1 min)\n"
    empty = await town.get(path.replace("I=99", "I=5"))
    assert empty.json()["features"] == []


async def test_the_legend_has_every_colour(town):
    response = await town.get(f"{BASE}GetLegendGraphic&LAYER=pm2_5&FORMAT=image/png")
    colours = {colour for _, colour in open_picture(response.content).getcolors(100_000)}
    assert {(0xCF, 0xE8, 0xD5, 255), (0x6D, 0x1F, 0x4B, 255), (0xC9, 0xCE, 0xCB, 255)} <= colours


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (("WIDTH=200", "WIDTH=100000"), None),
        (("HEIGHT=200", "HEIGHT=0"), None),
        (("WIDTH=200", "WIDTH=9e9"), None),
        (("LAYERS=pm2_5", "LAYERS=smell"), "LayerNotDefined"),
        (("STYLES=", "STYLES=pretty"), "StyleNotDefined"),
        (("CRS=CRS:84", "CRS=EPSG:1"), "InvalidCRS"),
        (("image/png", "image/jpeg"), "InvalidFormat"),
        (("4.494,52.394,4.694,52.594", "4,52,4,53"), None),
        (("4.494,52.394,4.694,52.594", "nan,52,5,53"), None),
        (("REQUEST=GetMap", "REQUEST=GetCoffee"), "OperationNotSupported"),
        (("VERSION=1.3.0", "VERSION=1.1.1"), None),
        (("SERVICE=WMS", "SERVICE=WFS"), None),
        (("&FORMAT", "&BGCOLOR=red&FORMAT"), None),
        (("REQUEST=GetMap", "REQUEST=GetFeatureInfo&QUERY_LAYERS=pm2_5&I=200&J=1"), "InvalidPoint"),
        (("REQUEST=GetMap", "REQUEST=GetLegendGraphic"), "LayerNotDefined"),
        (("&BBOX=4.494,52.394,4.694,52.594", ""), None),
    ],
    ids=lambda change: change[1][:30] if isinstance(change, tuple) else str(change),
)
async def test_a_wrong_request_is_a_service_exception(town, change, code):
    response = await town.get(GET_MAP.replace(*change))
    assert response.headers["content-type"].startswith("text/xml")
    (error,) = ET.fromstring(response.content).findall(EXCEPTION)
    assert error.text
    assert error.get("code") == code


async def test_names_of_parameters_have_no_case(town):
    lower = GET_MAP.replace("REQUEST", "request").replace("LAYERS", "layers").replace("WIDTH", "width")
    assert (await town.get(lower)).content == (await town.get(GET_MAP)).content
