"""An enrolled node: its key, its place in the registry, and the payloads it would send."""

from dataclasses import dataclass
from datetime import UTC, datetime

import psycopg

from edge_agent.wire import ClockState, ReadingBatch, Signer, Topic, TopicKind, Verifier
from gateway.decoding.decode import Payload
from gateway.model.registry import Area, Node, Station
from gateway.store import stations

OUTLINE = {"type": "Polygon", "coordinates": [[[4.5, 52.4], [4.7, 52.4], [4.7, 52.6], [4.5, 52.4]]]}
T0 = 1_795_228_800_000  # 2026-11-21T02:40:00Z


@dataclass
class EnrolledNode:
    """A node with its key; makes signed payloads."""

    signer: Signer
    area: str = "ijmond"
    inc: str = "k3v5x2m2q7ab"

    @property
    def id(self) -> str:
        return self.signer.name

    def batch(self, seq=1, *, values=None, dt=(0, 1000), **fields) -> ReadingBatch:
        values = values if values is not None else {"pm2_5": [12.1, 12.3], "humidity": [60.0, 61.0]}
        defaults = {"v": 1, "node": self.id, "inc": self.inc, "seq": seq, "boot": "boot-1", "t0": T0, "dt": list(dt)}
        return ReadingBatch(**{**defaults, "clock": ClockState.SYNCED, "values": values, **fields})

    def payload(self, seq=1, *, received_at=None, **fields) -> Payload:
        return Payload(
            topic=str(Topic(area=self.area, node=self.id, kind=TopicKind.READINGS)),
            body=self.signer.sign(self.batch(seq, **fields).encode()),
            received_at=received_at or datetime.fromtimestamp(T0 / 1000 + 2, UTC),
        )


def enrol_node(
    dsn: str,
    node: str = "ijm-001",
    station: str = "wijk-aan-zee",
    area: str = "ijmond",
    *,
    since: datetime | None = None,
) -> EnrolledNode:
    """Put an area, a station and a node into the registry. `since`: when it began to measure."""
    signer = Signer.generate(node)
    verifier: Verifier = signer.verifier
    with psycopg.connect(dsn, autocommit=True) as connection:
        stations.put_area(connection, Area(id=area, name="IJmond", authority="Omgevingsdienst", outline=OUTLINE))
        station_row = Station(id=station, area=area, name="Wijk aan Zee", latitude=52.494, longitude=4.594)
        stations.put_station(connection, station_row)
        stations.put_node(connection, Node(id=node, area=area, station=station, key=verifier), since=since)
    return EnrolledNode(signer=signer, area=area)
