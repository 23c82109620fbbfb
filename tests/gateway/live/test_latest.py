"""Viewers get the newest value of each datastream in a commit."""

import math

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.live.latest import select_latest
from gateway.live.message import LiveMessage, decode_live_message
from gateway.model.observation import ObservationBatch
from gateway.model.timestamps import to_ms
from gateway.model.validity import valid_value
from tests.gateway.decoding.test_decode import NODE, REGISTRY, T0, place_payloads

STALE, FAULT = int(Flag.STALE), int(Flag.SENSOR_FAULT)


def test_each_datastream_has_its_newest_valid_value_and_the_readings_of_its_last_minute():
    rows = place_payloads(
        NODE.payload(t0=T0, values={"pm2_5": [9.0, 10.0]}),  # more than a minute before the newest
        NODE.payload(
            seq=2, t0=T0 + 61_500, values={"pm2_5": [1.0, None], "humidity": [60, 61]}, flags={"pm2_5": [0, STALE]}
        ),
    )
    dust, humidity = select_latest(rows, REGISTRY)
    assert (dust.value, dust.flags) == (1.0, 0)
    assert dust.readings() == [(T0 + 61_500, 1.0, 0), (T0 + 62_500, None, STALE)]
    assert humidity.recent.flags == []
    assert humidity.readings() == [(T0 + 61_500, 60.0, 0), (T0 + 62_500, 61.0, 0)]
    message = LiveMessage(id=1, area="ijmond", committed_at=dust.observed_at, observations=[dust, humidity], events=[])
    assert decode_live_message(message.encode()) == message


def test_a_datastream_without_a_valid_value_has_none_and_its_flags():
    rows = place_payloads(NODE.payload(t0=T0, values={"pm2_5": [987.0, 988.0]}, flags={"pm2_5": [STALE, FAULT]}))
    (dust,) = select_latest(rows, REGISTRY)
    assert (dust.value, dust.flags) == (None, FAULT)
    assert dust.readings() == [(T0, None, STALE), (T0 + 1000, None, FAULT)]


def test_readings_with_a_doubted_time_are_not_published():
    flags = {"pm2_5": [0, int(Flag.TIME_SUSPECT)]}
    (dust,) = select_latest(place_payloads(NODE.payload(t0=T0, values={"pm2_5": [8.0, 9.0]}, flags=flags)), REGISTRY)
    assert dust.readings() == [(T0, 8.0, 0)]


def test_the_newest_is_by_time_when_batches_swapped_places():
    rows = place_payloads(
        NODE.payload(t0=T0 + 2000, values={"pm2_5": [3.0, 4.0]}),
        NODE.payload(seq=2, t0=T0, values={"pm2_5": [1.0, 2.0]}),
    )
    (dust,) = select_latest(rows, REGISTRY)
    assert dust.value == 4.0
    assert [value for _, value, _ in dust.readings()] == [1.0, 2.0, 3.0, 4.0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 1),
            st.integers(0, 200),
            st.one_of(st.just(float("nan")), st.floats(-10, 10)),
            st.sampled_from([0, STALE, int(Flag.JUMP), int(Flag.TIME_SUSPECT)]),
        ),
        min_size=1,
        max_size=30,
        unique_by=lambda row: row[:2],
    )
)
def test_every_selection_equals_that_of_an_oracle(rows):
    datastreams, seconds, values, flags = zip(*rows, strict=True)
    times = [T0 + 1000 * second for second in seconds]
    batch = ObservationBatch.from_columns(list(datastreams), times, list(values), flags=list(flags))
    expected = {}
    for slot in sorted(set(datastreams)):
        dated = sorted((at, v, f) for s, at, v, f in zip(datastreams, times, values, flags, strict=True)
                       if s == slot and not f & Flag.TIME_SUSPECT)  # fmt: skip
        shown = [(at, valid_value(None if math.isnan(v) else v, f), f) for at, v, f in dated]
        if shown:
            newest = max((at for at, v, _ in shown if v is not None), default=shown[-1][0])
            expected[REGISTRY.datastreams[slot].observed_property] = (
                newest,
                [r for r in shown if r[0] > newest - 60_000],
            )
    selected = {
        item.observed_property: (to_ms(item.observed_at), item.readings()) for item in select_latest(batch, REGISTRY)
    }
    assert selected == expected


def test_late_readings_are_not_published():
    assert select_latest(place_payloads(NODE.payload(hist=True)), REGISTRY) == []
