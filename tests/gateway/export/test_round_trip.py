"""The reader of recordings reads an export back with the same values, times and flags."""

import asyncio
import threading
from datetime import UTC, datetime

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.sensors.replay import ReplaySettings
from edge_agent.wire import Flag
from gateway.evaluation import backtest
from gateway.export.selection import Selection, TableFormat
from gateway.export.tables import write_table
from tests.gateway.enrolled_node import T0

SELECTION = Selection(
    station="wijk-aan-zee",
    observed_property="pm2_5",
    unit="ug/m3",
    ids=[1],
    start=datetime.fromtimestamp(T0 / 1000, UTC),
    end=datetime.fromtimestamp(T0 / 1000 + 1e6, UTC),
)
_VALUES = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
_FLAGS = st.sets(st.sampled_from(list(Flag))).map(sum)
_OBSERVATIONS = st.lists(
    st.tuples(st.integers(0, 10**9), _VALUES, _FLAGS), min_size=1, max_size=20, unique_by=lambda row: row[0]
).filter(lambda rows: any(value is not None or flags for _, value, flags in rows))


async def export(observations, format_):
    rows = [
        (datetime.fromtimestamp((T0 + ms) / 1000, UTC), value, flags, "ijm-001", "k3v5x2m2q7ab", 1, *[None] * 4)
        for ms, value, flags in observations
    ]

    async def slices():
        yield rows

    return b"".join([part async for part in write_table(SELECTION, slices(), format_, {})])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_OBSERVATIONS, st.sampled_from(TableFormat))
def test_an_export_is_read_back_with_the_same_values_times_and_flags(tmp_path, observations, format_):
    path = tmp_path / f"export.{format_}"
    path.write_bytes(asyncio.run(export(observations, format_)))
    recording = backtest.read_recording(path)
    assert (recording.format, recording.unreadable) == ("piekwacht", [])
    assert [(v.station, v.observed_property, v.at - T0, v.value, v.flags) for v in recording.values] == [
        ("wijk-aan-zee", "pm2_5", ms, value, flags)
        for ms, value, flags in sorted(observations, key=lambda row: row[0])
        if value is not None or flags
    ]


def test_a_node_replays_an_export_with_its_flags(tmp_path):
    path = tmp_path / "export.csv"
    path.write_bytes(
        asyncio.run(export([(0, 8.5, 0), (1000, 400.0, int(Flag.MAINTENANCE)), (2000, None, 512)], TableFormat.CSV))
    )
    sensor = ReplaySettings(file=path, station="wijk-aan-zee", speed=0).create_sensor()
    readings = [(r.observed_at - T0, dict(r.values), dict(r.flags)) for r in sensor.readings(threading.Event())]
    assert readings == [
        (0, {"pm2_5": 8.5}, {}),
        (1000, {"pm2_5": 400.0}, {"pm2_5": int(Flag.MAINTENANCE)}),
        (2000, {"pm2_5": None}, {"pm2_5": 512}),
    ]
