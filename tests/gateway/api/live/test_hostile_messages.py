"""No payload on a live topic makes the hub raise, and the next message of the gateway reaches the viewers."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from gateway.api.data.database import Database
from gateway.api.data.latest_values import LatestValues
from gateway.api.live.hub import Hub
from gateway.api.settings import ApiSettings
from gateway.live.message import (
    LiveEvent,
    LiveMessage,
    LiveMessageError,
    LiveObservation,
    RecentReadings,
    decode_live_message,
)
from gateway.mqtt.client import create_client
from tests.gateway.api.conftest import running_api
from tests.gateway.api.live.test_live import event, frames, message

NUMBERS = st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False))
TIMES = st.one_of(st.datetimes(), st.datetimes(timezones=st.just(UTC)))
INTEGERS = st.integers(-(2**63), 2**63 - 1)
RECENT = st.builds(
    RecentReadings, dt=st.lists(INTEGERS, max_size=3), values=st.lists(NUMBERS, max_size=3),
    flags=st.lists(INTEGERS, max_size=3),
)  # fmt: skip
OBSERVATIONS = st.builds(
    LiveObservation, station=st.text(max_size=9), observed_property=st.sampled_from(["pm2_5", "humidity", "x", ""]),
    observed_at=TIMES, value=NUMBERS, flags=INTEGERS, recent=st.one_of(st.none(), RECENT),
)  # fmt: skip
EVENTS = st.builds(
    lambda onset, peak, revision, severity, unit: LiveEvent(
        event=replace_event(onset, peak, revision), area="ijmond", severity=severity, unit=unit
    ),
    TIMES, st.floats(allow_nan=False, allow_infinity=False), INTEGERS, st.text(max_size=5), st.text(max_size=5),
)  # fmt: skip
MESSAGES = st.builds(
    LiveMessage, id=st.integers(0, 2**63 - 1), area=st.text(max_size=5), committed_at=TIMES,
    observations=st.lists(OBSERVATIONS, max_size=3), events=st.lists(EVENTS, max_size=2),
)  # fmt: skip

NO_MESSAGES = {
    "nothing": b"",
    "no text": b"\xff\xfe",
    "deep": b"[" * 100_000,
    "deep in an unknown field": message(1).encode()[:-1] + b',"x":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
    "an id of 5,000 digits": b'{"id":' + b"9" * 5_000 + b"}",
    "an id that no sequence gives": message(1).encode().replace(b'"id":1', b'"id":9223372036854775808'),
    "half a pair of surrogates": b'{"area":"\\ud800"}',
    "a number beyond any": message(1).encode().replace(b"1.0", b"1e999"),
}


def replace_event(onset, peak, revision):
    return replace(event(), onset=onset, peak=peak, revision=revision)


def make_hub():
    hub = Hub(ApiSettings(), LatestValues(Database("")))
    hub.begin(0)
    return hub


@pytest.mark.parametrize("name", NO_MESSAGES)
def test_bytes_that_are_no_message_are_refused_by_one_error(name):
    with pytest.raises(LiveMessageError):
        decode_live_message(NO_MESSAGES[name])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_that_error(payload):
    with suppress(LiveMessageError):
        decode_live_message(payload)


@settings(deadline=None)
@given(st.lists(MESSAGES, min_size=1, max_size=3))
def test_any_message_leaves_a_hub_that_publishes_the_next_one(messages):
    hub = make_hub()
    for hostile in messages:
        hub.receive(hostile.encode())
    before = hub.last_commit
    hub.receive(message(before + 1).encode())
    assert hub.last_commit >= before


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_viewers_get_the_message_after_all_of_these(database, broker):
    async with running_api(database, broker) as (api, _), api.stream("GET", "/api/v1/live") as response:
        async with create_client(broker, "stranger") as connection:
            for payload in NO_MESSAGES.values():
                await connection.publish("pw/v1/ijmond/live", payload)
            await asyncio.sleep(0.2)
            await connection.publish("pw/v1/ijmond/live", message(1, 12.5).encode())
        ((name, _, (value,)),) = await frames(response, 1)
    assert (name, value["value"]) == ("observation", 12.5)
    assert datetime.fromisoformat(value["observedAt"])
