"""Every public way out of a measured value: its address, and the numbers that it publishes, by where they stand.

`test_validity_law` and `tests.benchmarks.truth` read them. The routes are listed from the application itself; one that
is in neither table here fails a test.
"""

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import httpx
import pyarrow.parquet as pq
from fastapi import FastAPI
from lxml import etree, html

from gateway.export.selection import Averaging, TableFormat

Numbers = dict[str, object]
STATION = "wijk-aan-zee"
# How often something was read is no measured value, and changes with every reading.
_UNMEASURED = {"count", "seq", "revision", "averagingSeconds", "coordinates", "numberMatched", "numberReturned"}


@dataclass(frozen=True, kw_only=True)
class Face:
    """An address, with `{id}` for the station, event or datastream. `shows_raw`: readings that do not count as well."""

    path: str
    read: Callable[[httpx.Response], Numbers]
    shows_raw: bool = False


def walk_json(document: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Yield each number with its path; an item of a list is named by its time or id."""
    if isinstance(document, dict):
        for name, part in document.items():
            if name not in _UNMEASURED:
                yield from walk_json(part, f"{path}/{name}")
    elif isinstance(document, list):
        for i, item in enumerate(document):
            names = [item.get(k) for k in ("observedAt", "start", "id")] if isinstance(item, dict) else []
            yield from walk_json(item, f"{path}/{next((n for n in names if n), i)}")
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield path, document


def read_json(response: httpx.Response) -> Numbers:
    """Numbers of a JSON document."""
    return dict(walk_json(response.json()))


def read_playback(response: httpx.Response) -> Numbers:
    """Steps of a playback, by station and time: the frames move on every minute."""
    document = response.json()
    start = datetime.fromisoformat(document["start"])
    return {
        f"{station}/{(start + timedelta(minutes=i)).isoformat()}": step
        for station, steps in document["stations"].items()
        for i, step in enumerate(steps)
        if step is not None
    }


def read_sentences(response: httpx.Response) -> Numbers:
    """Sentences about the situations that hold numbers."""
    document = response.json()
    texts = {"headline": document["headline"], "facts": " ".join(document["facts"])}
    for item in document["items"]:
        texts |= {f"{item['station']}/{name}": str(item[name]) for name in ("value", "headline", "facts")}
    return {name: text for name, text in texts.items() if re.search(r"\d", text)}


def read_csv(response: httpx.Response) -> Numbers:
    """Cells of a CSV table, by station, time and column; numbers as they are written."""
    text = response.content.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text.split("\n", 1)[0] else ",")
    numbers: Numbers = {}
    for row in rows:
        at = row.get("start") or row.get("observed_at")
        for name in ("value", "valid_count", "expected_count", "mean", "min", "max", "corrected"):
            if row.get(name):
                numbers[f"{row['station']}/{at}/{name}"] = row[name]
    return numbers


def read_assessment(response: httpx.Response) -> Numbers:
    """Cells of the table of an assessment that have figures, by datastream, level and column."""
    numbers: Numbers = {}
    for row in csv.DictReader(io.StringIO(response.text)):
        for name in ("complete_hours", "at_or_above", "complete", "highest", "not_assessed"):
            numbers[f"{row['datastream']}/{row['level']}/{name}"] = row[name]
    return numbers


def read_parquet(response: httpx.Response) -> Numbers:
    """The same of a Parquet file."""
    numbers: Numbers = {}
    for row in pq.read_table(io.BytesIO(response.content)).to_pylist():
        at = row.get("start") or row.get("observed_at")
        for name in ("value", "valid_count", "expected_count", "mean", "min", "max", "corrected"):
            if row.get(name) is not None:
                numbers[f"{at}/{name}"] = row[name]
    return numbers


def read_page(response: httpx.Response) -> Numbers:
    """Cells of figures, emphasised values and labels of scales on a page, in order."""
    tree = html.fromstring(response.text)
    for age in tree.xpath('//*[contains(concat(" ", @class, " "), " age ")]'):
        age.drop_tree()  # how old a value is changes by itself
    cells = tree.xpath('//*[contains(concat(" ", @class, " "), " figure ")] | //strong | //dd')
    labels = tree.xpath('//*[local-name()="text" and @text-anchor="end"]')
    texts = [re.sub(r"\s+", " ", cell.text_content()).strip() for cell in [*cells, *labels]]
    return {f"{i}": text for i, text in enumerate(texts) if re.search(r"\d", text)}


def read_feed(response: httpx.Response) -> Numbers:
    """Titles and texts of a feed or CAP document that hold numbers."""
    tree = etree.fromstring(response.content)
    names = {"title", "summary", "description", "headline", "value"}
    elements = [element for element in tree.iter() if etree.QName(element).localname in names]
    return {
        f"{i}": element.text for i, element in enumerate(elements) if element.text and re.search(r"\d", element.text)
    }


def read_json_feed(response: httpx.Response) -> Numbers:
    """Titles and texts of a JSON feed that hold numbers."""
    items = response.json()["items"]
    texts = [item[name] for item in items for name in ("title", "content_text")]
    return {f"{i}": text for i, text in enumerate(texts) if re.search(r"\d", text)}


def read_sensorthings(response: httpx.Response) -> Numbers:
    """Results of observations, of a set or expanded, by their time and datastream."""
    numbers: Numbers = {}

    def walk(document: object, path: str) -> None:
        if isinstance(document, dict):
            if "phenomenonTime" in document and "result" in document:
                numbers[f"{path}/{document['phenomenonTime']}"] = document["result"]
            for name, part in document.items():
                walk(part, f"{path}/{name}")
        elif isinstance(document, list):
            for item in document:
                name = item.get("name", "") if isinstance(item, dict) else ""
                walk(item, f"{path}/{name}")

    walk(response.json(), "")
    return numbers


def read_hours(response: httpx.Response) -> Numbers:
    """Hours in the form of Luchtmeetnet, by station, formula and time."""
    rows = response.json()["data"]
    return {f"{r['station_number']}/{r['formula']}/{r['timestamp_measured']}": r["value"] for r in rows}


def read_community(response: httpx.Response) -> Numbers:
    """Values in the form of Sensor.Community, by station and kind."""
    return {
        f"{row['id']}/{value['value_type']}": value["value"]
        for row in response.json()
        for value in row["sensordatavalues"]
    }


def read_picture(response: httpx.Response) -> Numbers:
    """The pixels of a picture: a number that changes changes them."""
    return {"pixels": hashlib.sha256(response.content).hexdigest()}


def read_plume_table(response: httpx.Response) -> Numbers:
    """Figures of a table of plumes, by plume and column; numbers as they are written."""
    text = response.content.decode("utf-8-sig")
    rows = csv.DictReader(io.StringIO(text), delimiter=";" if ";" in text.split("\n", 1)[0] else ",")
    return {f"{row['plume']}/{name}": row[name] for row in rows for name in ("peak", "background", "excess")}


def _observations(base: str, extra: str = "") -> list[Face]:
    faces = []
    for averaging in Averaging:
        raw = averaging is Averaging.RAW
        path = f"{base}?averaging={averaging}{extra}"
        faces.append(Face(path=path, read=read_json, shows_raw=raw))
        for table_format in TableFormat:
            read = read_parquet if table_format is TableFormat.PARQUET else read_csv
            faces.append(Face(path=f"{path}&format={table_format}", read=read, shows_raw=raw))
    return faces


_MAP = "/wms?service=WMS&version=1.3.0&request={request}&layers=pm2_5&crs=CRS:84&width=100&height=100&bbox=4,52,5,53"
FACES: dict[str, list[Face]] = {
    **{
        f"/sta/{version}/{{path:path}}": [
            Face(path=f"/sta/{version}/{path}", read=read_sensorthings)
            for path in (
                "Datastreams({datastream})/Observations?$top=1000",
                "Observations?$top=1000&$orderby=phenomenonTime desc&$expand=Datastream",
                "Things?$expand=Datastreams($expand=Observations($orderby=phenomenonTime desc;$top=1))",
            )
        ]
        for version in ("v1.0", "v1.1", "v2.0")
    },
    "/api/v1/stations/{id}/assessment": [
        Face(path="/api/v1/stations/{station}/assessment", read=read_json),
        Face(path="/api/v1/stations/{station}/assessment?format=csv", read=read_assessment),
    ],
    "/open_api/stations/{number}/measurements": [
        Face(path="/open_api/stations/PW-{station}/measurements", read=read_hours)
    ],
    "/open_api/measurements": [Face(path="/open_api/measurements", read=read_hours)],
    "/airrohr/v1/filter/{filters:path}": [Face(path="/airrohr/v1/filter/country=NL", read=read_community)],
    "/airrohr/v1/sensor/{number}": [Face(path="/airrohr/v1/sensor/1", read=read_community)],
    "/airrohr/v1/sensor/{number}/": [Face(path="/airrohr/v1/sensor/1/", read=read_community)],
    "/ogc/collections/{name}/items": [
        Face(path="/ogc/collections/stations/items", read=read_json),
        Face(path="/ogc/collections/hourly/items", read=read_json),
        Face(path="/ogc/collections/events/items?limit=100", read=read_json),
    ],
    "/ogc/collections/{name}/items/{feature_id}": [
        Face(path="/ogc/collections/stations/items/{station}", read=read_json),
        Face(path="/ogc/collections/events/items/{event}", read=read_json),
    ],
    "/wms": [
        Face(path=_MAP.replace("{request}", "GetMap"), read=read_picture),
        Face(path=_MAP.replace("{request}", "GetFeatureInfo") + "&query_layers=pm2_5&i=59&j=50", read=read_json),
    ],
    "/api/v1/stations": [Face(path="/api/v1/stations", read=read_json)],
    "/api/v1/stations/{id}": [Face(path="/api/v1/stations/{station}", read=read_json)],
    "/api/v1/stations/{id}/observations": _observations("/api/v1/stations/{station}/observations"),
    "/api/v1/datastreams/{id}/observations": _observations("/api/v1/datastreams/{datastream}/observations"),
    "/api/v1/playback": [Face(path="/api/v1/playback", read=read_playback)],
    "/api/v1/situations": [Face(path="/api/v1/situations", read=read_sentences)],
    "/api/v1/events": [Face(path="/api/v1/events?kind=peak", read=read_json)],
    "/api/v1/events/{id}": [Face(path="/api/v1/events/{event}", read=read_json)],
    "/api/v1/events/{id}/revisions": [Face(path="/api/v1/events/{event}/revisions", read=read_json)],
    "/api/v1/plumes": [Face(path="/api/v1/plumes", read=read_json)],
    "/api/v1/plumes/{id}": [Face(path="/api/v1/plumes/{plume}", read=read_json)],
    "/feeds/now.geojson": [Face(path="/feeds/now.geojson", read=read_json)],
    "/feeds/today.csv": [
        Face(path="/feeds/today.csv", read=read_csv),
        Face(path="/feeds/today.csv?format=csv-nl", read=read_csv),
    ],
    "/feeds/{collection}.{format_}": [
        Face(path=f"/feeds/{collection}.{format_}", read=read_feed)
        for collection in ("events", "alerts")
        for format_ in ("atom", "rss")
    ]
    + [Face(path=f"/feeds/{collection}.json", read=read_json_feed) for collection in ("events", "alerts")],
    "/feeds/events.csv": [
        Face(path="/feeds/events.csv", read=read_plume_table),
        Face(path="/feeds/events.csv?format=csv-nl", read=read_plume_table),
    ],
    "/feeds/events/{id}.cap": [Face(path="/feeds/events/{event}.cap", read=read_feed)],
    "/feeds/plumes/{id}.cap": [Face(path="/feeds/plumes/{plume}.cap", read=read_feed)],
    **{
        f"{prefix}{route}": [Face(path=f"{prefix}{path}", read=read_page) for path in paths]
        for prefix in ("", "/nl", "/en")
        for route, paths in {
            "/": ["/", "/?place=wijk-aan-zee"],
            "/widget/{id}": ["/widget/{station}"],
            "/stations/{id}": [f"/stations/{{station}}?period={p}" for p in ("last_hour", "day", "week", "year")],
            "/events": ["/events"],
            "/events/{id}": ["/events/{event}"],
            "/plumes/{id}": ["/plumes/{plume}"],
            "/status": ["/status"],
        }.items()
    },
}

WITHOUT_VALUES = {
    **dict.fromkeys(("/sta/v1.0", "/sta/v1.1", "/sta/v2.0"), "links"),
    **dict.fromkeys(("/open_api/stations", "/open_api/stations/{number}"), "places"),
    **dict.fromkeys(("/open_api/components", "/open_api/components/{formula}", "/open_api/organisations"), "names"),
    **dict.fromkeys(("/ogc", "/ogc/", "/ogc/api", "/ogc/conformance"), "a description"),
    **dict.fromkeys(("/ogc/collections", "/ogc/collections/{name}"), "a description"),
    "/api/v1/openapi.json": "a description",
    "/api/v1": "links",
    "/api/v1/account": "a login",
    "/account": "a login",
    "/api/v1/areas": "places",
    "/api/v1/areas/{id}": "places",
    "/api/v1/sites": "places",
    "/api/v1/sites/{id}": "places",
    "/api/v1/stations/{id}/exact-location": "a place",
    "/api/v1/datastreams": "the registry",
    "/api/v1/datastreams/{id}": "the registry",
    "/api/v1/corrections": "formulas",
    "/api/v1/observed-properties": "the registry",
    "/api/v1/observed-properties/{id}": "the registry",
    "/api/v1/alerts": "notifications: of an event only the peak, as in /api/v1/events",
    "/api/v1/alerts/{id}": "notifications: of an event only the peak, as in /api/v1/events",
    "/api/v1/live": "a stream: test_the_live_feed_... judges it",
    "/api/v1/detection-figures": "synthetic peaks",
    "/api/v1/stations/{id}/context": "values of other networks: tests/gateway/context judges them",
    "/api/v1/site-reports": "statements of others: tests/gateway/reconciliation judges them",
    "/api/v1/events/{id}/statements": "statements of others: tests/gateway/reconciliation judges them",
    "/api/v1/operator/nodes": "staff only: counts of readings",
    "/api/v1/operator/nodes/{id}": "staff only: counts of readings",
    "/api/v1/operator/quarantine": "staff only: rejected payloads",
    "/api/v1/operator/quarantine/{id}": "staff only: rejected payloads",
    "/api/v1/operator/storage": "staff only: sizes",
    "/api/v1/operator/checks": "staff only: findings",
    "/api/v1/operator/audit": "staff only: acts",
    "/api/v1/operator/guests": "staff only: owners of sensors",
    "/api/v1/tracks": "places",
    "/api/v1/tracks/{id}": "readings of stations that move: tests/gateway/tracks judges them",
    "/api/v1/tracks/{id}/moving-feature": "readings of stations that move: tests/gateway/tracks judges them",
    "/api/v1/grid-cells": "readings of stations that move: tests/gateway/tracks judges them",
    **{
        f"{prefix}/tracks{route}": "readings of stations that move: tests/gateway/tracks judges them"
        for prefix in ("", "/nl", "/en")
        for route in ("", "/{id}")
    },
    "/api/v1/silences": "staff only",
    "/api/v1/silences/{id}": "staff only",
    "/api/v1/events/{id}/acknowledgements": "staff only",
    "/api/v1/events/{id}/explanation": "staff only",
    "/api/v1/plumes/{id}/answers": "staff only",
    "/api/v1/known-sources": "staff only",
    "/api/v1/batches/{node}/{incarnation}/{number}/proof": "hashes",
    "/api/v1/batches/{node}/{incarnation}/{number}/evidence": "signed bytes",
    "/api/v1/stations/{id}/evidence": "a single reading as signed: test_log judges it",
    "/log/{area}/checkpoint": "hashes",
    "/log/{area}/policy": "keys",
    "/log/{area}/timestamps/{name}": "a time stamp",
    "/log/{area}/tile/{path:path}": "hashes",
    "/healthz": "a state",
    "/readyz": "a state",
    "/metrics": "counters of this process",
    "/static/{path:path}": "files",
    "/map/{z}/{x}/{y}.png": "a base map",
    "/map/areas/{area}.geojson": "a base map",
    "/map/archives/{name}.pmtiles": "a base map",
    "/acknowledge/{token}": "one event, by a link",
    **{
        f"{prefix}/waarschuw-mij{route}": "subscriptions of residents, without values"
        for prefix in ("", "/nl", "/en")
        for route in (
            "", "/verzonden", "/bevestigen/{token}", "/beheren/{token}", "/beheren/{token}/gegevens.json",
            "/stoppen/{token}",
        )
    },
    "/api/v1/plumes/{id}/source-direction": "staff only: places; tests/gateway/api/inspector judges them",
    "/sw.js": "a script",
    "/robots.txt": "a text",
    "/sitemap.xml": "addresses",
    "/verify.py": "a program",
    "/nl": "leads to the map",
    "/en": "leads to the map",
    "/.well-known/security.txt": "a text",
    "/{path:path}": "not found",
    **{
        f"{prefix}{route}": "staff only: the charts, means and plots of the public pages"
        for prefix in ("", "/nl", "/en")
        for route in ("/inspector/plumes/{id}", "/inspector/plumes/{id}/direction", "/inspector/wind")
    },
    **{
        f"{prefix}{route}": "no values"
        for prefix in ("", "/nl", "/en")
        for route in (
            "/about", "/offline", "/manifest.webmanifest", "/inspector", "/inspector/events/{id}", "/inspector/silence",
            "/inspector/calendar", "/inspector/duty",
            "/operator", "/operator/nodes/{id}", "/operator/nodes/{id}/fit", "/operator/guests/{id}",
            "/operator/nodes/{id}/renew", "/operator/nodes/{id}/revoke", "/operator/nodes/{id}/configure",
            "/operator/enrol", "/operator/quarantine",
            "/operator/quarantine/{number}", "/operator/storage", "/operator/checks", "/operator/audit",
            "/operator/guests", "/verify", "/developers", "/guide", "/guide/{topic}", "/own-sensor", "/reports",
            "/site-reports",
        )
    },
    **{
        f"{prefix}/reports/{{id}}/{{name}}": "day means of months that are over: tests/gateway/reports judges them"
        for prefix in ("", "/nl", "/en")
    },
}  # fmt: skip


def list_routes(app: FastAPI) -> set[str]:
    """Every address that answers a GET or accepts a WebSocket."""
    return {route.path for route in app.routes if "GET" in getattr(route, "methods", {"GET"})}
