"""What the decoding process reads is what this one would have read, whatever becomes of that process."""

import dataclasses
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from gateway.decoding.decoded_payloads import DecodedPayloads
from gateway.decoding.process import Decoder
from tests.gateway.decoding.test_decode import NODE, REGISTRY


@pytest.fixture
def decoder():
    made = Decoder(min_payloads=1, timeout=20)
    begin(made)
    yield made
    made.close()


def begin(decoder):
    """Return once the other process does the work; the payloads of an hour are asked for meanwhile."""
    deadline = time.monotonic() + 20
    while not decoder.has_used_helper:
        same(decoder, [NODE.payload()])
        assert time.monotonic() < deadline
        time.sleep(0.02)


def same(decoder, payloads, registry=REGISTRY):
    decoded, expected = decoder.decode(payloads, registry), DecodedPayloads.from_payloads(payloads, registry)
    assert decoded.headers == expected.headers
    assert [h.payload is e.payload for h, e in zip(decoded.headers, expected.headers, strict=True)].count(False) == 0
    assert decoded.rejected == expected.rejected
    assert decoded.registry is registry
    for name in decoded.rows.__slots__:
        np.testing.assert_array_equal(getattr(decoded.rows, name), getattr(expected.rows, name))
    return decoded


def mixed():
    """Good, late, with a gap, with strange properties, forged, unsigned, from nobody, twice."""
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


def test_it_reads_what_we_would_read(decoder):
    decoded = same(decoder, mixed())
    assert (len(decoded.headers), len(decoded.rejected)) == (5, 3)


def test_it_goes_by_the_registry_it_is_asked_by(decoder):
    smaller = dataclasses.replace(REGISTRY, slots={("ijm-001", "humidity"): 1}, nodes={})
    assert not same(decoder, mixed(), smaller).headers
    assert same(decoder, mixed(), dataclasses.replace(smaller, nodes=REGISTRY.nodes)).headers[
        0
    ].unplaced_properties == ("pm2_5",)
    assert not same(decoder, mixed()).headers[0].unplaced_properties


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_dies_or_falls_silent_costs_nothing_but_time(decoder, number):
    decoder._timeout, decoder._next_start_at = 0.3, 0
    first = decoder._helper.process
    os.kill(first.pid, number)
    same(decoder, mixed())
    assert first.poll() is not None
    begin(decoder)
    assert decoder._helper.process is not first


def test_a_few_payloads_are_not_worth_a_process():
    decoder = Decoder()
    same(decoder, mixed())
    assert decoder._helper is None
    decoder.close()


PARENT = """
import sys, time
from gateway.decoding.process import Decoder
from tests.gateway.decoding.test_process import begin
decoder = Decoder(min_payloads=1)
begin(decoder)
print(decoder._helper.process.pid, flush=True)
time.sleep(60)
"""


def test_it_ends_with_the_gateway_even_if_that_was_killed():
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
