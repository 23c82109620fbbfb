"""The helper process decodes exactly as this process does, whatever happens to it."""

import dataclasses
import io
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.decoding.helper import PayloadPickler
from gateway.decoding.process import Decoder
from gateway.model.observation import ObservationBatch
from tests.gateway.decoding.test_decode import NODE, REGISTRY, place_payloads


@pytest.fixture
def decoder():
    decoder = Decoder(min_payloads=1, timeout=20)
    wait_for_helper(decoder)
    yield decoder
    decoder.close()


def wait_for_helper(decoder):
    """Decode a payload until the helper does the work."""
    deadline = time.monotonic() + 20
    while not decoder.has_used_helper:
        check_same_result(decoder, [NODE.payload()])
        assert time.monotonic() < deadline
        time.sleep(0.02)


def check_same_result(decoder, payloads, registry=REGISTRY):
    decoded, expected = decoder.decode(payloads, registry), DecodedPayloads.from_payloads(payloads, registry)
    assert decoded.headers == expected.headers
    assert [h.payload is e.payload for h, e in zip(decoded.headers, expected.headers, strict=True)].count(False) == 0
    assert decoded.rejected == expected.rejected
    assert decoded.registry is registry
    for name in decoded.rows.__slots__:
        np.testing.assert_array_equal(getattr(decoded.rows, name), getattr(expected.rows, name))
    return decoded


def mixed_payloads():
    """Good, late, with a missing value and unknown property, forged, unsigned, of an unknown node, replayed, twice."""
    good = NODE.payload()
    return [
        good,
        NODE.payload(seq=2, hist=True),
        NODE.payload(seq=3, values={"pm2_5": [None, 1.0], "moonlight": [3.0, 4.0]}),
        replace(good, body=good.body.replace(b"12.1", b"99.9")),
        replace(good, body=b"nothing"),
        replace(good, topic="pw/v1/ijmond/nobody/readings"),
        replace(NODE.payload(seq=4), replayed=True),
        good,
    ]


def test_the_helper_decodes_as_this_process_does(decoder):
    decoded = check_same_result(decoder, mixed_payloads())
    assert (len(decoded.headers), len(decoded.rejected)) == (5, 3)


def test_the_helper_uses_the_registry_of_each_request(decoder):
    smaller = dataclasses.replace(REGISTRY, slots={("ijm-001", "humidity"): 1}, nodes={})
    assert not check_same_result(decoder, mixed_payloads(), smaller).headers
    assert check_same_result(decoder, mixed_payloads(), dataclasses.replace(smaller, nodes=REGISTRY.nodes)).headers[
        0
    ].unplaced_properties == ("pm2_5",)
    assert not check_same_result(decoder, mixed_payloads()).headers[0].unplaced_properties


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_helper_that_dies_or_hangs_changes_no_result(decoder, number):
    decoder._timeout, decoder._next_start_at = 0.3, 0
    first = decoder._helper.process
    os.kill(first.pid, number)
    check_same_result(decoder, mixed_payloads())
    assert first.poll() is not None
    wait_for_helper(decoder)
    assert decoder._helper.process is not first


def test_neutral_columns_of_observations_are_not_sent_and_come_back_equal():
    for rows in (
        place_payloads(NODE.payload(values={"pm2_5": [1.0, 2.0]})),
        place_payloads(NODE.payload()),
        place_payloads(),
    ):
        buffer = io.BytesIO()
        PayloadPickler(buffer, []).dump(rows)
        received = pickle.loads(buffer.getvalue())
        for name in ObservationBatch.__slots__:
            np.testing.assert_array_equal(getattr(received, name), getattr(rows, name))
            assert getattr(received, name).dtype == getattr(rows, name).dtype
        assert b"wind_speed" not in buffer.getvalue()


def test_few_payloads_start_no_helper():
    decoder = Decoder()
    check_same_result(decoder, mixed_payloads())
    assert decoder._helper is None
    decoder.close()


PARENT = """
import sys, time
from gateway.decoding.process import Decoder
from tests.gateway.decoding.test_process import wait_for_helper
decoder = Decoder(min_payloads=1)
wait_for_helper(decoder)
print(decoder._helper.process.pid, flush=True)
time.sleep(60)
"""


def test_the_helper_ends_when_the_gateway_is_killed():
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())
        parent.kill()
    deadline = time.monotonic() + 10
    while is_running(child):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
