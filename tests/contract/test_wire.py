"""The wire format between nodes and gateways of all versions: golden payloads stay readable, and decoding is total."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import (
    ClockState,
    MalformedError,
    ReadingBatch,
    StoredRanges,
    Topic,
    TopicKind,
    Verifier,
    digest_payload,
    generate_incarnation,
)

GOLDEN = Path(__file__).with_name("golden")

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)
properties = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
incarnations = st.from_regex(r"[a-z2-7]{12}", fullmatch=True)
sequences = st.integers(1, 2**62 - 1)
milliseconds = st.integers(-(2**52), 2**52)
values = st.none() | st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def reading_batches(draw):
    length = draw(st.integers(1, 8))

    def column(of):
        return st.lists(of, min_size=length, max_size=length)

    table = draw(st.dictionaries(properties, column(values), min_size=1, max_size=4))
    flagged = draw(st.lists(st.sampled_from(sorted(table)), unique=True))
    return ReadingBatch(
        v=1,
        node=draw(names),
        inc=draw(incarnations),
        seq=draw(sequences),
        boot=draw(st.uuids().map(str)),
        mono=draw(milliseconds),
        clock=draw(st.sampled_from(ClockState)),
        hist=draw(st.booleans()),
        t0=draw(milliseconds),
        dt=draw(column(milliseconds)),
        values=table,
        flags={name: draw(column(st.integers(0, 2**31 - 1))) for name in flagged},
        pos=draw(st.none() | column(st.tuples(*[st.floats(-180, 180)] * 3))),
    )


@given(reading_batches())
def test_decoding_an_encoded_batch_gives_the_same_batch_to_the_last_bit(batch):
    assert ReadingBatch.decode(batch.encode()) == batch


@given(reading_batches())
def test_a_batch_is_one_line_and_states_its_version(batch):
    text = batch.encode()
    assert text.count(b"\n") == 1
    assert text.startswith(b'{"v":1,')


@given(names, incarnations, st.lists(st.tuples(sequences, sequences)))
def test_decoding_stored_ranges_gives_the_same_ranges(node, inc, ranges):
    hashes = [(first, digest_payload(str(last).encode())) for first, last in ranges]
    stored = StoredRanges(v=1, node=node, inc=inc, ranges=ranges, hashes=hashes)
    assert StoredRanges.decode(stored.encode()) == stored


@given(st.binary() | reading_batches().map(ReadingBatch.encode), st.data())
def test_decoding_raises_nothing_but_malformed(text, data):
    if text:
        place = data.draw(st.integers(0, len(text) - 1))
        text = text[:place] + data.draw(st.binary(max_size=4)) + text[place + data.draw(st.integers(0, 4)) :]
    for kind in (ReadingBatch, StoredRanges):
        try:
            kind.decode(text)
        except MalformedError:
            continue


def test_endless_nesting_is_malformed_and_does_not_crash():
    with pytest.raises(MalformedError):
        ReadingBatch.decode(b"[" * 200_000)


BATCH = ReadingBatch(
    v=1, node="ijm-001", inc="k3v2x2m2q7ab", seq=1, boot="b", t0=0, dt=[0, 1], values={"pm10": [1.0, None]}
)


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"v": 2}, "$.v"),
        ({"node": "IJM 1"}, "$.node"),
        ({"node": "ijm-001\n"}, "$.node"),
        ({"boot": "b" * 65}, "$.boot"),
        ({"inc": "short"}, "$.inc"),
        ({"seq": 0}, "$.seq"),
        ({"seq": 2**63}, "$.seq"),
        ({"t0": 1.5}, "$.t0"),
        ({"dt": []}, "$.dt"),
        ({"values": {}}, "$.values"),
        ({"values": {"pm10": [1.0]}}, "$.values.pm10"),
        ({"values": {"pm10": [1.0, "2"]}}, "$.values[...][1]"),
        ({"values": {"PM10!": [1.0, 2.0]}}, "$.values"),
        ({"values": {"pm10\n": [1.0, 2.0]}}, "$.values"),
        ({"flags": {"pm10": [0]}}, "$.flags.pm10"),
        ({"flags": {"pm2_5": [0, 0]}}, "$.flags.pm2_5"),
        ({"flags": {"pm10": [0, -1]}}, "$.flags[...][1]"),
        ({"pos": [[1.0, 2.0, 3.0]]}, "$.pos"),
        ({"clock": "sundial"}, "$.clock"),
    ],
)
def test_an_error_names_the_path(change, path):
    table = {**msgspec.to_builtins(BATCH), **change}
    with pytest.raises(MalformedError) as raised:
        ReadingBatch.decode(msgspec.json.encode(table))
    assert f"`{path}" in str(raised.value)


def test_an_unknown_field_of_a_newer_node_is_tolerated():
    table = {**msgspec.to_builtins(BATCH), "battery": 3.7}
    assert ReadingBatch.decode(msgspec.json.encode(table)) == BATCH


def test_numbers_that_json_does_not_have_are_malformed():
    for number in (b"NaN", b"Infinity", b"-Infinity", b"1e999"):
        with pytest.raises(MalformedError):
            ReadingBatch.decode(BATCH.encode().replace(b"1.0", number))


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.note")), ids=lambda path: path.stem)
def test_golden_payloads_of_every_version_open_to_the_same_content(path):
    key = Verifier.parse((GOLDEN / "node.pub").read_text())
    kind = StoredRanges if path.stem.startswith("stored") else ReadingBatch
    read = kind.decode(key.open(path.read_bytes()))
    assert msgspec.json.decode(msgspec.json.encode(read)) == msgspec.json.decode(path.with_suffix(".json").read_bytes())


@pytest.mark.parametrize("kind", TopicKind)
@given(names, names)
def test_a_topic_reads_as_it_is_written(kind, area, node):
    topic = Topic(area=area, node=node, kind=kind)
    assert Topic.parse(str(topic)) == topic


@given(st.text())
def test_a_foreign_topic_is_malformed(text):
    for topic in (text, f"pw/v1/ijmond/{text}/", f"pw/v1/{text}/x/readings/y", "pw/v1/ijmond/ijm-001/readings\n"):
        with pytest.raises(MalformedError):
            Topic.parse(topic)


def test_incarnations_are_well_formed_and_never_the_same():
    incarnations = {generate_incarnation() for _ in range(1000)}
    assert len(incarnations) == 1000
    for inc in incarnations:
        assert StoredRanges.decode(StoredRanges(v=1, node="n", inc=inc, ranges=[]).encode()).inc == inc
