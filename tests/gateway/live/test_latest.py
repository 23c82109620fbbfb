"""What viewers are told of a commit."""

import pickle

import numpy as np

from edge_agent.wire import Flag
from gateway.live.latest import select_latest
from gateway.live.message import LiveMessage, decode_live_message
from gateway.model.observation import ObservationBatch
from tests.gateway.decoding.test_decode import NODE, REGISTRY, T0, placed

STALE = int(Flag.STALE)


def test_the_newest_of_each_datastream_with_its_minute():
    rows = placed(
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


def test_what_came_late_is_no_news():
    assert select_latest(placed(NODE.payload(hist=True)), REGISTRY) == []


def test_observations_are_handed_on_without_the_columns_that_say_nothing():
    for rows in (placed(NODE.payload(values={"pm2_5": [1.0, 2.0]})), placed(NODE.payload()), placed()):
        sent = pickle.dumps(rows)
        back = pickle.loads(sent)
        for name in ObservationBatch.__slots__:
            np.testing.assert_array_equal(getattr(back, name), getattr(rows, name))
            assert getattr(back, name).dtype == getattr(rows, name).dtype
        assert (b"wind_speed" in sent) is False
