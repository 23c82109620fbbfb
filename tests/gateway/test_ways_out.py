"""The law of validity on the ways out that are no routes: commands, files, live frames, topics, metrics, messages.

Each kind is listed from its declaration: the table of commands, their arguments, the topics of the wire,
the registry of metrics, the union of channels, data sources of Grafana. An item in no table here fails.
"""

import asyncio
import importlib
import json
import re
import zipfile
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import get_args

import httpx
import msgspec
import psycopg
import pytest
import yaml
from prometheus_client import REGISTRY
from psycopg.rows import class_row
from websockets.asyncio.client import connect

from alerting.alert import Alert
from alerting.message.cloud_event import build_cloud_event
from alerting.message.email_content import render_email
from alerting.message.notification import Notification
from alerting.message.time_series import TimeSeries, TimeSeriesPoint, select_window
from alerting.settings import ChannelSettings
from alerting.sql import load_queries
from edge_agent.wire import Flag, TopicKind
from gateway import __main__ as cli
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.dossier.build import build_dossier
from gateway.dossier.request import DossierPublisher, PeriodRequest
from gateway.export.selection import Averaging, TableFormat
from gateway.ingest.pipeline import Pipeline
from gateway.model.timestamps import format_instant
from gateway.mqtt.client import create_client
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.api.conftest import running_api
from tests.gateway.api.faces import STATION, read_csv, read_parquet, walk_json
from tests.gateway.api.test_validity_law import (
    ABSURD,
    ABSURD_TEXT,
    EXCLUDED,
    SECONDS,
    build_payloads,
    ingest,
    recent_start,
)
from tests.gateway.enrolled_node import enrol_node

REPO = Path(__file__).resolve().parents[2]
PROPERTIES = ("pm2_5", "humidity", "wind_direction", "wind_speed")

COMMANDS_WITH_VALUES = {
    "export": "test_every_file_of_export_...",
    "assess": "hours by the query of exports; tests/gateway/api/routes/test_assessment.py",
    "hazard-index": "hours by the query of exports, and samples; tests/gateway/assessment/test_hazard_index.py",
    "events": "detects a stored event again from the signed bytes; tests/gateway/evaluation/test_replay.py",
    "backtest": "detects in a file of the user; tests/gateway/evaluation/test_one_path.py",
    "shadow": "compares events of two detectors; tests/gateway/detection/test_validity.py",
    "selftest": "counts detected synthetic peaks in valid readings (select_readings); test_validity_in_sql.py",
    "quarantine": "shows rejected payloads as they came; they are in no answer",
    "dossier": "test_the_dossier_...",
    "report": "day means by the query of exports; tests/gateway/reports/test_report.py",
    "verify": "judges signed bytes, with their flags; tests/gateway/verification/test_attacks.py",
    "log": "follows hashes; values are in no leaf",
    "demo": "its view shows newest valid values (select_newest_values); test_validity_in_sql.py",
    "alerts": "explains notifications: of an event only the peak",
}
COMMANDS_WITHOUT_VALUES = {
    "gateway", "api", "alerting", "evaluate", "up", "migrate", "upkeep", "key", "site", "ca", "node", "access",
    "basemap", "doctor", "bench", "release", "witness", "calibration", "completion", "subscriptions", "readings",
    "adapter", "complaints", "guest", "statements", "context",
}  # fmt: skip
TOPICS = {
    TopicKind.READINGS: "the signed readings of a node, for its gateway alone",
    TopicKind.STATUS: "whether a node is connected",
    TopicKind.HEALTH: "the state of a node",
    TopicKind.STORED: "which batches are stored",
    TopicKind.CONFIG: "the configuration of a node",
}
CHANNELS = {
    "EmailSettings", "WebhookSettings", "MqttSettings", "CapSettings", "ZakenSettings", "NotificatiesSettings",
    "AppriseSettings",
}  # fmt: skip
CURVE = load_queries(REPO / "alerting" / "dispatch" / "delivery_worker.sql")["select_time_series"]


def test_every_command_has_an_entry():
    commands = {name for name, _, _ in cli._COMMANDS}
    assert commands == COMMANDS_WITH_VALUES.keys() | COMMANDS_WITHOUT_VALUES


def test_every_topic_has_an_entry():
    """The live topic is not of a node; `test_a_live_frame_...` judges it. No other is subscribed or published."""
    assert set(TopicKind) == TOPICS.keys()
    sources = [path.read_text() for path in (REPO / "gateway").rglob("*.py")]
    literals = {match for text in sources for match in re.findall(r'"pw/v1/[^"]*"', text)}
    assert literals == {'"pw/v1/+/live"', '"pw/v1/{area}/+/{kind}"', '"pw/v1/{AREA}/+/readings"', '"pw/v1/ijmond/live"'}


def test_every_channel_has_an_entry():
    """All are made of one Notification, which `test_messages_...` compares."""
    assert {channel.__name__ for channel in get_args(ChannelSettings)} == CHANNELS


def test_grafana_reads_no_table():
    """A source of another type could read raw readings, past the rule."""
    folder = REPO / "deploy" / "grafana" / "provisioning" / "datasources"
    sources = [source for path in folder.glob("*") for source in yaml.safe_load(path.read_text())["datasources"]]
    assert {source["type"] for source in sources} == {"prometheus"}
    for path in (REPO / "deploy" / "grafana" / "dashboards").glob("*.json"):
        assert not re.search(r"rawSql|\bSELECT\b", path.read_text()), path.name


async def test_no_metric_carries_a_measured_value(database, broker):
    """Not the absurd one, and not the ordinary one either: metrics count, and time."""
    for path in [*REPO.glob("gateway/**/telemetry.py"), *REPO.glob("alerting/**/telemetry.py")]:
        importlib.import_module(".".join(path.relative_to(REPO).with_suffix("").parts))
    await ingest(database, enrol_node(database), recent_start(), Flag.SENSOR_FAULT)
    async with running_api(database, broker) as (client, _):
        await client.get("/api/v1/stations")
        text = (await client.get("/metrics")).text
    samples = {sample.value for family in REGISTRY.collect() for sample in family.samples}
    assert not {ABSURD, 8.1, 8.2, 98.1, 98.2} & samples
    assert not re.search(r" 987\.625$| 98\.[12]$", text, re.MULTILINE)


async def export_all(database: str, folder: Path, start: int) -> dict[str, object]:
    """The numbers of every file that `piekwacht export` writes, by format, averaging, property and place in it."""
    config = folder / "piekwacht.toml"
    config.write_text(f'[database]\ndsn = "{database}"\n')
    numbers: dict[str, object] = {}
    period = [format_instant(datetime.fromtimestamp(start / 1000 + s, UTC)) for s in (-3_600, SECONDS + 60)]
    for format_ in TableFormat:
        for averaging in Averaging:
            for name in PROPERTIES:
                output = folder / "table"
                command = ["export", "--config", str(config), "--station", STATION, "--property", name,
                           "--from", period[0], "--to", period[1], "--format", format_, "--averaging", averaging,
                           "--output", str(output)]  # fmt: skip
                assert await asyncio.to_thread(cli.main, command) == 0
                read = read_parquet if format_ is TableFormat.PARQUET else read_csv
                table = read(httpx.Response(200, content=output.read_bytes()))
                numbers |= {f"{format_} {averaging} {name} {place}": number for place, number in table.items()}
    return numbers


@pytest.mark.parametrize("flag", [Flag.SENSOR_FAULT, Flag.TIME_SUSPECT], ids=lambda flag: flag.name.lower())
async def test_every_file_of_export_has_the_same_numbers_with_a_flagged_value(
    database, clean_database, tmp_path, flag
):  # fmt: skip
    start = recent_start()
    await ingest(clean_database, enrol_node(clean_database), start, None)
    await ingest(database, enrol_node(database), start, flag)
    clean = await export_all(clean_database, tmp_path, start)
    flagged = await export_all(database, tmp_path, start)
    assert {key.split()[0] for key in clean} == set(TableFormat)
    assert {key: flagged.get(key) for key in clean} == clean
    added = {key for key in flagged if key not in clean}
    assert added
    assert {key.split()[1] for key in added} == {"raw"}


@pytest.mark.parametrize("flag", [Flag.SENSOR_FAULT, Flag.TIME_SUSPECT], ids=lambda flag: flag.name.lower())
async def test_the_dossier_has_a_flagged_value_in_the_single_readings_alone_with_its_flag(database, flag):
    start = recent_start()
    await ingest(database, enrol_node(database), start, flag)
    since, until = (datetime.fromtimestamp(start / 1000 + seconds, UTC) for seconds in (-60, SECONDS + 60))
    request, publisher = (
        PeriodRequest(station=STATION, start=since, end=until),
        DossierPublisher(operator="x", public_url=""),
    )
    with zipfile.ZipFile(BytesIO((await build_dossier(database, request, publisher)).content)) as archive:
        texts = {
            name.partition("/data/")[2]: archive.read(name).decode()
            for name in archive.namelist()
            if name.endswith((".csv", ".html", ".json", ".txt"))
        }
    page = re.sub(r"<svg.*?</svg>|<style.*?</style>", "", texts.pop("dossier.html"), flags=re.DOTALL)
    match = ABSURD_TEXT.search(page)
    assert match is None, page[match.start() - 300 : match.end() + 100]
    kinds = {event["kind"] for event in json.loads(texts["events.json"])["items"]}
    assert kinds == {"peak", *(["sensor"] if flag is Flag.SENSOR_FAULT else [])}, "a fault is listed as a fault"
    with_absurd = {name for name, text in texts.items() if ABSURD_TEXT.search(text) and not name.startswith("events")}
    assert all(name.startswith("readings/") and "corrected" not in name for name in with_absurd), with_absurd
    for name in with_absurd:
        rows = [line for line in texts[name].splitlines() if ABSURD_TEXT.search(line)]
        assert all(flag.name.lower() in row for row in rows), name


@asynccontextmanager
async def watch_stream(api, kind: str):
    """Yield a function that reads the next (event, id, data) of a live stream."""
    async with AsyncExitStack() as stack:
        if kind == "websocket":
            socket = await stack.enter_async_context(
                connect(f"ws://{api.base_url.host}:{api.base_url.port}/api/v1/live")
            )

            async def read():
                while True:
                    frame = json.loads(await socket.recv())
                    if "data" in frame:
                        return frame["event"], frame.get("id", 0), frame["data"]
        else:
            response = await stack.enter_async_context(api.stream("GET", "/api/v1/live"))
            lines = response.aiter_lines()

            async def read():
                frame = {}
                async for line in lines:
                    name, _, value = line.partition(":")
                    frame[name] = value.strip()
                    if not line and "data" in frame:
                        return frame["event"], int(frame.get("id", 0)), json.loads(frame["data"])
                raise EOFError

        yield read


async def live_numbers(database, broker, kind, start, flag) -> tuple[dict[str, object], str]:
    """The numbers of all frames of values, by commit and property, and the text of all frames."""
    node, store = enrol_node(database), Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    numbers: dict[str, object] = {}
    texts = []
    try:
        async with (
            running_api(database, broker) as (api, _),
            watch_stream(api, kind) as read,
            create_client(broker, "a-gateway") as connection,
            asyncio.timeout(120),
        ):
            await api.get("/api/v1/stations")
            for commit, payload in enumerate(build_payloads(node, start, ABSURD, flag)):
                for message in (await pipeline.process([payload])).live_messages:
                    await connection.publish(f"pw/v1/{message.area}/live", message.encode())
                    name, number = "", -1
                    while (name, number) != ("observation", message.id):
                        name, number, data = await read()
                        if name == "observation":
                            texts.append(json.dumps(data))
                    for value in data:
                        numbers |= {f"{commit} {value['observedProperty']} {k}": v for k, v in walk_json(value)}
    finally:
        await store.close()
    return numbers, " ".join(texts)


@pytest.mark.parametrize("kind", ["server-sent events", "websocket"])
async def test_a_live_frame_has_the_same_numbers_with_a_flagged_value(
    database, clean_database, broker, kind
):  # fmt: skip
    start = recent_start()
    clean, _ = await live_numbers(clean_database, broker, kind, start, None)
    flagged, text = await live_numbers(database, broker, kind, start, Flag.SENSOR_FAULT)
    assert len(clean) > 200
    assert flagged == clean
    assert not ABSURD_TEXT.search(text)


async def read_notifications(database: str) -> list[Notification]:
    """A notification of every stored alert, with the values around its peak as the worker that sends it reads them."""
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as connection:
        query = "SELECT alert FROM alerting.inbox ORDER BY alert->>'event_id', revision"
        rows = await (await connection.execute(query)).fetchall()
        notifications = []
        for (body,) in rows:
            alert = msgspec.convert(body, Alert, strict=False)
            since, until = select_window(alert, datetime.now(UTC))
            async with connection.cursor(row_factory=class_row(TimeSeriesPoint)) as cursor:
                values = {"station": alert.station, "property": alert.observed_property, "since": since, "until": until}
                await cursor.execute(CURVE, values)
                series = TimeSeries(points=tuple(await cursor.fetchall()))
            notifications.append(Notification(alert=alert, id=f"n-{alert.revision}", time_series=series))
    return notifications


def message_numbers(notification: Notification) -> dict[str, object]:
    """The numbers of the mail and of the document for programs, without hashes."""
    alert = notification.alert
    mail = render_email(notification, public_url="https://p.example")
    lines = [line for line in mail.text.splitlines() if alert.event_id not in line and "Ontdekt" not in line]
    event = json.loads(build_cloud_event(notification, source="urn:x", public_url="https://p.example", at=alert.onset))
    numbers = {f"mail {i}": line for i, line in enumerate(line for line in lines if re.search(r"\d", line))}
    return numbers | {f"document {k}": v for k, v in walk_json(event["data"])} | {"subject": mail.subject}


async def ingest_and_notify(database: str, start: int, flag: Flag | None) -> list[Notification]:
    """Store the recording with the flag; return its notifications."""
    await ingest(database, enrol_node(database), start, flag)
    return await read_notifications(database)


@pytest.fixture(scope="module")
def notifications_by_start() -> dict[int, list[Notification]]:
    """The notifications of the recording without a flagged value, by its start: they are the same for all flags."""
    return {}


@pytest.mark.parametrize(
    "flag", [flag for flag in EXCLUDED if flag is not Flag.STUCK], ids=lambda flag: flag.name.lower()
)
async def test_messages_have_the_same_numbers_with_a_flagged_value(
    database, create_clean_database, notifications_by_start, flag
):
    """A stuck reading withdraws the event: the law of the routes has it after the end."""
    start = recent_start()
    if start not in notifications_by_start:
        notifications_by_start[start] = await ingest_and_notify(create_clean_database(), start, None)
    clean, flagged = notifications_by_start[start], await ingest_and_notify(database, start, flag)
    assert clean
    assert [message_numbers(n) for n in flagged] == [message_numbers(n) for n in clean]
    for notification in flagged:
        assert ABSURD not in {point.value for point in notification.time_series.points}
        assert not ABSURD_TEXT.search(render_email(notification, public_url="https://p.example").text)
