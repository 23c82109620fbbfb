"""An hour of readings with a peak in it: three stations, wind, humidity, a gap, flagged values and a notification."""

from datetime import UTC, datetime, timedelta
from math import sin

import psycopg

from alerting.decide.routing import Route
from alerting.delivery.settings import EmailSettings
from alerting.dispatch.inbox_worker import InboxWorker
from alerting.settings import AlertingSettings, ReceiverSettings
from edge_agent.wire import Flag
from gateway.model.registry import Site, Station
from gateway.store import stations
from tests.gateway.enrolled_node import T0, enrol_node

STEP = 10  # s of a batch
STATIONS = {"wijk-aan-zee": (52.494, 4.594), "beverwijk": (52.486, 4.657), "velsen": (52.46, 4.65)}


def enrol_stations(dsn):
    """Three nodes at three stations of one area, and a watched facility; returns the nodes by station."""
    nodes = {}
    for number, (station, (latitude, longitude)) in enumerate(STATIONS.items(), start=1):
        nodes[station] = enrol_node(dsn, node=f"ijm-00{number}", station=station)
        with psycopg.connect(dsn, autocommit=True) as connection:
            name = station.replace("-", " ").title().replace(" Aan ", " aan ")
            stations.put_station(
                connection, Station(id=station, area="ijmond", name=name, latitude=latitude, longitude=longitude)
            )
    with psycopg.connect(dsn, autocommit=True) as connection:
        site = Site(id="haven", area="ijmond", name="Havenbedrijf", operator="H", latitude=52.46, longitude=4.55)
        stations.put_site(connection, site)
        before = datetime.fromtimestamp(T0 / 1000, UTC) - timedelta(days=30)
        connection.execute("UPDATE node SET enrolled_at = %s", [before])
        connection.execute("UPDATE installation SET since = %s", [before])
    return nodes


def particulates(second, *, begin, end, height):
    """PM2.5 in ug/m3: a background with small variations, and a peak that rises and falls."""
    base = 8.2 + 0.1 * (second % 3) + 0.4 * sin(second / 300)
    if not begin <= second < end:
        return base
    share = (second - begin) / (end - begin)
    return base + height * min(1.0, 6 * share, 3 * (1 - share)) * (1 + 0.1 * sin(second / 7))


def build_payload(node, second, *, begin, end, height, seq):
    """One batch of ten readings."""
    seconds = range(second, second + STEP)
    values = {
        "pm2_5": [round(particulates(s, begin=begin, end=end, height=height), 2) for s in seconds],
        "humidity": [round(71 + 4 * sin(s / 900), 1) for s in seconds],
        "wind_direction": [round(225 + 12 * sin(s / 60), 1) for s in seconds],
        "wind_speed": [round(4.2 + sin(s / 45), 1) for s in seconds],
    }
    flags = {}
    if second == 3_000:
        values["pm2_5"][4], flags = 900.0, {"pm2_5": [int(Flag.SENSOR_FAULT) if i == 4 else 0 for i in range(STEP)]}
    return node.payload(
        seq,
        t0=T0 + second * 1000,
        dt=[i * 1000 for i in range(STEP)],
        values=values,
        flags=flags,
        received_at=datetime.fromtimestamp(T0 / 1000 + second + STEP, UTC),
    )


async def record_event(pipeline, nodes, *, begin=3_900, minutes=40, height=32.0, after=2_400, span=(0, None)):
    """Ingest background, a peak of so many minutes with a gap in it, and the time after it.

    `span`: only the seconds from the first until before the second, in whole minutes; None: to the end.
    """
    end = begin + 60 * minutes
    for minute in range(span[0], end + after if span[1] is None else span[1], 60):
        payloads = [
            build_payload(
                node,
                second,
                begin=begin + 120 * number,
                end=end,
                height=height / (1 + 2 * number) if number < 2 else 0.0,
                seq=second // STEP + 1,
            )
            for second in range(minute, minute + 60, STEP)
            if not end - 400 <= second < end - 220  # a gap
            for number, node in enumerate(nodes.values())
        ]
        if payloads:
            await pipeline.process(payloads)


async def decide(dsn):
    """Decide the notifications of one receiver."""
    receivers = [ReceiverSettings(name="Omgevingsdienst", email=[EmailSettings(to=["piket@od.example"])])]
    settings = AlertingSettings(receiver=receivers, route=[Route(receiver="Omgevingsdienst", least_confidence=0.0)])
    async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as connection:
        await InboxWorker(settings).decide_inbox(connection)
