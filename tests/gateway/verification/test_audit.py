"""`piekwacht log audit`: a log that grew passes; a fork, a shrunken log and every wrong byte are named."""

import random
import shutil
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.signing import Signer
from gateway.transparency.cosignature import WitnessKey, cosign
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch
from gateway.transparency.tiles import Tile, encode_entries, iterate_tiles
from gateway.verification.audit import audit
from gateway.verification.batch_numbers import BatchNumbers
from gateway.verification.log_files import UnreachableError
from tests.gateway.witness.test_witness_server import block
from tests.gateway.witness.witness_world import NOW, MemoryLog

SIZES = (1, 2, 255, 256, 257, 300, 70_000)


def batches(first, last, node="ijm-001"):
    return [describe_batch(node, "abcdefghijkl", number, b"%d" % number).encode() for number in range(first, last + 1)]


def write_log(log, folder, quorum="none"):
    """The files of the log as a server has them."""
    size = len(log.leaves)
    for tile in iterate_tiles(0, size):
        path = folder / tile.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(read_content(log, tile))
    folder.mkdir(exist_ok=True)
    (folder / "checkpoint").write_bytes(log.note())
    (folder / "policy").write_text(f"log {log.signer.verifier}\nquorum {quorum}\n")


def read_content(log, tile):
    first = tile.index * 256
    if tile.level is None:
        return encode_entries(log.leaves[first : first + tile.width])
    return b"".join(log.read_hash(8 * tile.level, first + i) for i in range(tile.width))


@pytest.fixture
def log():
    return MemoryLog(leaves=batches(1, 300))


@pytest.fixture
def folder(log, tmp_path):
    write_log(log, tmp_path / "log")
    return tmp_path / "log"


@pytest.fixture
def visit(folder, tmp_path):
    return lambda policy=None: audit(str(folder), tmp_path / "state", policy)


@pytest.mark.parametrize("size", SIZES)
def test_a_log_that_grows_passes_at_every_visit(tmp_path, size):
    log = MemoryLog(leaves=batches(1, size))
    write_log(log, tmp_path / "log")
    report = audit(str(tmp_path / "log"), tmp_path / "state", None)
    assert (report.new_leaves, report.leaves, report.faults, report.gaps) == (size, {LeafKind.BATCH: size}, [], [])
    assert report.last_visit is None
    for added in (0, 1, 300):
        log.leaves += batches(size + 1, size + added)
        size += added
        write_log(log, tmp_path / "log")
        report = audit(str(tmp_path / "log"), tmp_path / "state", None)
        assert (report.new_leaves, report.leaves) == (added, {LeafKind.BATCH: size})
        assert report.last_visit is not None


def test_an_empty_log_passes(tmp_path):
    log = MemoryLog()
    write_log(log, tmp_path / "log")
    assert audit(str(tmp_path / "log"), tmp_path / "state", None).new_leaves == 0
    log.leaves += batches(1, 3)
    write_log(log, tmp_path / "log")
    assert audit(str(tmp_path / "log"), tmp_path / "state", None).new_leaves == 3


def test_a_fork_is_named_and_both_signed_heads_are_stored(log, folder, visit, tmp_path):
    visit()
    forked = MemoryLog(signer=log.signer, leaves=[*log.leaves[:299], *batches(301, 500)])
    shutil.rmtree(folder)
    write_log(forked, folder)
    for _ in range(2):
        with pytest.raises(ProofError, match="the log was forked; both signed heads are in"):
            visit()
    evidence = (tmp_path / "state/fork-300-499.txt").read_bytes()
    assert log.note() in evidence
    assert forked.note() in evidence


def test_another_root_of_the_same_size_is_a_fork(log, folder, visit):
    visit()
    shutil.rmtree(folder)
    write_log(MemoryLog(signer=log.signer, leaves=[*log.leaves[:299], *batches(301, 301)]), folder)
    with pytest.raises(ProofError, match="two heads of 300 leaves have different roots: the log was forked"):
        visit()


def test_a_log_that_shrank_is_named(log, folder, visit):
    visit()
    shutil.rmtree(folder)
    write_log(MemoryLog(signer=log.signer, leaves=log.leaves[:299]), folder)
    with pytest.raises(ProofError, match="shrank from 300 to 299 leaves"):
        visit()


def test_a_log_under_another_key_is_refused_at_a_later_visit(log, folder, visit):
    visit()
    shutil.rmtree(folder)
    write_log(MemoryLog(log.origin, leaves=log.leaves), folder)
    with pytest.raises(ProofError, match="not signed by its log"):
        visit()


def test_any_changed_byte_of_any_file_is_detected_and_the_state_is_unchanged(log, folder, visit, tmp_path):
    """Also in the old part: tiles on the way to a new leaf. Every file that a first visit needs is changed once."""
    generator = random.Random(3)
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != "policy"]
    for path in paths:
        content = path.read_bytes()
        changed = bytearray(content)
        changed[generator.randrange(len(changed) - 1)] ^= 1 << generator.randrange(7)
        for wrong in (bytes(changed), content[:-1], content[: len(content) // 2], b""):
            path.write_bytes(wrong)
            with pytest.raises(ProofError):
                visit()
        path.write_bytes(content)
    assert not (tmp_path / "state/audit.json").exists()
    assert visit().new_leaves == 300


def test_a_partial_tile_may_be_replaced_by_the_full_one(log, folder, visit):
    """A log may delete partial tiles once the full ones are there."""
    later = MemoryLog(signer=log.signer, leaves=[*log.leaves, *batches(301, 600)])
    for level in (None, 0):
        tile = Tile(level=level, index=1, width=44)
        shutil.rmtree((folder / tile.path).parent)
        (folder / Tile(level=level, index=1).path).write_bytes(read_content(later, Tile(level=level, index=1)))
    assert visit().new_leaves == 300


def test_missing_and_late_batches(log, folder, visit):
    log.leaves += [*batches(303, 304), *batches(310, 310), *batches(5, 6, "ijm-002")]
    write_log(log, folder)
    assert visit().gaps == ["ijm-001 abcdefghijkl: 301 to 302", "ijm-001 abcdefghijkl: 305 to 309"]
    log.leaves += [*batches(305, 309), *batches(302, 302)]
    write_log(log, folder)
    assert visit().gaps == ["ijm-001 abcdefghijkl: 301 to 301"]


def test_a_batch_with_two_leaves_is_a_fault_at_every_later_visit(log, folder, visit):
    visit()
    log.leaves += [describe_batch("ijm-001", "abcdefghijkl", 7, b"other").encode()]
    write_log(log, folder)
    for _ in range(2):
        assert visit().faults == ["leaf 300 is a second one of the batch ijm-001 abcdefghijkl 7"]


def test_a_leaf_of_an_unknown_kind_or_number_is_named(log, folder, visit):
    for wrong, text in (
        (b"piekwacht/other@v1\na\nb\n", "leaf 300: no leaf of a known kind"),
        (Leaf(kind=LeafKind.BATCH, fields=("a", "b", "x"), content="c").encode(), "leaf 300: "),
    ):
        later = MemoryLog(signer=log.signer, leaves=[*log.leaves, wrong])
        write_log(later, folder)
        with pytest.raises(ProofError, match=text):
            visit()


def test_the_readers_own_policy_decides_about_witnesses(log, folder, visit, tmp_path):
    witness = Signer.generate("dorpsraad.example/w")
    own = tmp_path / "own-policy"
    own.write_text(f"log {log.signer.verifier}\nwitness raad {WitnessKey.of(witness)}\nquorum raad\n")
    with pytest.raises(ProofError, match="demands the witness raad"):
        visit(own)
    line = cosign(witness, log.checkpoint().encode(), NOW)
    (folder / "checkpoint").write_bytes(log.note() + line)
    report = visit(own)
    assert [(signed.witness, signed.time) for signed in report.witnesses] == [("dorpsraad.example/w", NOW)]
    assert report.policy_is_own


def test_a_missing_file_of_a_log_is_an_unreachable_log_and_no_fork(log, folder, visit):
    (folder / "tile/0/000").unlink()
    with pytest.raises(UnreachableError, match="tile/0/000 is missing"):
        visit()


@given(st.permutations(range(1, 30)), st.sets(st.integers(1, 29)))
@settings(deadline=None)
def test_numbers_in_any_order_make_the_same_ranges(numbers, missing):
    counted = BatchNumbers({})
    for number in (n for n in numbers if n not in missing):
        assert counted.add(Leaf.parse(batches(number, number)[0]))
        assert not counted.add(Leaf.parse(batches(number, number)[0]))
    pairs = [pair for ranges in counted.ranges.values() for pair in ranges]
    assert [n for first, last in pairs for n in range(first, last + 1)] == sorted(set(numbers) - missing)
    assert all(last + 1 < first for (_, last), (first, _) in pairwise(pairs))


class QuietHandler(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass


@pytest.fixture
def server(folder):
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def run_audit(*arguments):
    return subprocess.run(block("log", "audit", *arguments), capture_output=True, text=True, timeout=60)


def test_the_command_over_http_without_the_packages_of_the_gateway(log, folder, server, tmp_path):
    state = ("--state", tmp_path / "state")
    result = run_audit(f"{server}/", *state)
    assert (result.returncode, result.stderr) == (0, "")
    assert f"{log.origin}: 300 leaves, 300 new at the first visit; all fit" in result.stdout
    log.leaves += batches(5, 5)
    write_log(log, folder)
    duplicate = run_audit(server, *state)
    assert (duplicate.returncode, duplicate.stderr) == (1, "")
    assert "FAULT: leaf 300" in duplicate.stdout
    write_log(log.fork(2, 400), folder)
    forked = run_audit(server, *state)
    assert forked.returncode == 1
    assert "forked" in forked.stderr
    assert forked.stderr.count("\n") == 1
    (folder / "checkpoint").unlink()
    missing = run_audit(server, *state)
    assert (missing.returncode, "checkpoint is missing" in missing.stderr) == (3, True)


@pytest.mark.parametrize(
    ("address", "code"),
    [("http://127.0.0.1:9", 3), ("/nonexistent", 3), ("http://127.0.0.1:x/", 3), ("https://[::1", 3)],
)
def test_a_wrong_address_is_one_sentence(tmp_path, address, code):
    result = run_audit(address, "--state", tmp_path)
    assert (result.returncode, result.stderr.count("\n")) == (code, 1), result.stderr
