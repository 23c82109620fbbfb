"""Viewers get the newest value of each datastream in a commit."""

from edge_agent.wire import Flag
from gateway.live.latest import select_latest
from gateway.live.message import LiveMessage, decode_live_message
from tests.gateway.decoding.test_decode import NODE, REGISTRY, T0, place_payloads

STALE = int(Flag.STALE)


def test_each_datastream_has_its_newest_value_and_the_readings_of_its_last_minute():
    rows = place_payloads(
        NODE.payload(t0=T0, values={"pm2_5": [9.0, 10.0]}),  # more than a minute before the newest
        NODE.payload(
            seq=2, t0=T0 + 61_000, values={"pm2_5": [1.0, None], "humidity": [60, 61]}, flags={"pm2_5": [0, STALE]}
        ),
    )
    dust, humidity = select_latest(rows, REGISTRY)
    assert (dust.value, dust.flags) == (None, STALE)
    assert dust.readings() == [(T0 + 61_000, 1.0, 0), (T0 + 62_000, None, STALE)]
    assert humidity.recent.flags == []
    assert humidity.readings() == [(T0 + 61_000, 60.0, 0), (T0 + 62_000, 61.0, 0)]
    message = LiveMessage(id=1, area="ijmond", committed_at=dust.observed_at, observations=[dust, humidity], events=[])
    assert decode_live_message(message.encode()) == message


def test_late_readings_are_not_published():
    assert select_latest(place_payloads(NODE.payload(hist=True)), REGISTRY) == []
