"""A detection file is read one line at a time, within its limits."""

import tracemalloc

import pytest

from gateway.transparency.errors import ProofError
from gateway.verification import detection_file
from gateway.verification.detection_file import DetectionReader
from gateway.verification.dossier_files import MAX_FILE_BYTES
from gateway.verification.standalone import verify
from tests.gateway.verification.detection_text import DetectionFile, parts_of
from tests.gateway.verification.fuzz import make_detection


@pytest.fixture(scope="module")
def content(world):
    return make_detection(world)


def read(content, size=1_000):
    return list(DetectionReader(parts_of(content, size)).iterate_leaves())


@pytest.mark.parametrize("size", [1, 7, 1_000, 10**9])
def test_the_length_of_the_parts_does_not_matter(content, size):
    assert read(content, size) == DetectionFile.parse(content).leaves


def test_more_or_fewer_leaves_than_the_header_states_are_refused(content):
    *lines, last = content.splitlines(keepends=True)
    with pytest.raises(ProofError, match=f"states {len(lines)} leaves and has {len(lines) - 1}"):
        read(b"".join(lines))
    with pytest.raises(ProofError, match=f"states {len(lines)} leaves and has more"):
        read(content + last)


def test_a_file_that_ends_within_a_line_is_refused(content):
    with pytest.raises(ProofError, match="ends within a line"):
        read(content[:-1])


@pytest.mark.parametrize(
    ("limit", "sentence"),
    [
        ("MAX_DETECTION_BYTES", "the detection file has more than 900 bytes"),
        ("_MAX_HEADER_BYTES", "a line of the detection file has more than 900 bytes"),
        ("_MAX_LEAF_BYTES", "a line of the detection file has more than 900 bytes"),
    ],
)
def test_a_file_beyond_a_limit_is_refused(content, monkeypatch, limit, sentence):
    monkeypatch.setattr(detection_file, limit, 900)
    longer = content.replace(b'{"signed":"', b'{"signed":"' + b"A" * 1_000, 1)
    for size in (100, 10**9):
        with pytest.raises(ProofError, match=sentence):
            read(longer, size)


def test_memory_does_not_grow_with_the_leaves(content):
    """The parts are made on the fly, so all memory is that of the reader."""
    header, leaf = content.splitlines(keepends=True)[:2]

    def measure(count):
        stated = header.replace(b'"leaf_count":', b'"leaf_count":%d,"_":' % count)
        stated = stated.replace(stated[stated.index(b',"_":') : stated.index(b',"range_proof"')], b"")
        reader = DetectionReader(lambda: parts(stated, count))
        tracemalloc.start()
        assert sum(1 for _ in reader.iterate_leaves()) == count
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return peak

    def parts(stated, count):
        yield stated
        for _ in range(count):
            yield leaf

    assert measure(3_000) < 2 * measure(30)


def test_both_verifiers_read_files_of_the_same_length():
    assert verify.MAX_FILE_BYTES == MAX_FILE_BYTES >= detection_file.MAX_DETECTION_BYTES
