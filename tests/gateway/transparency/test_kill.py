"""A sequencer that is killed after any part of a step leaves a log that continues and never forks."""

import random
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from gateway.transparency.checkpoint import open_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import LeafKind
from gateway.transparency.merkle import check_consistency, prove_consistency
from tests.gateway.transparency.logs import add_batches, check_tree, open_log

pytestmark = pytest.mark.slow


def run_process(log, key_file, parts):
    command = [sys.executable, "-m", "tests.gateway.transparency.step_until_killed"]
    command += [log.dsn, str(log.folder), str(key_file), str(parts)]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)


def read_heads(log):
    """Heads on the disk: the last signed one, and the published one if there is any."""
    for note in (log.files.read_state(), log.files.read_checkpoint()):
        if note is not None:
            yield open_checkpoint(note, log.signer.verifier)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("seed", range(3))
def test_a_kill_after_any_part_of_a_step_leaves_a_log_that_continues(database, node, tmp_path, seed):
    random_ = random.Random(seed)
    log = open_log(database, tmp_path / "log")
    key_file = tmp_path / "ijmond.key"
    key_file.write_text(log.signer.export())
    heads, kills, number = [], 0, 0
    for _ in range(9):
        count = random_.choice([1, 40, 255, 256, 700])
        add_batches(database, range(number + 1, number + count + 1))
        number += count
        result = run_process(log, key_file, random_.randint(1, 12))
        kills += result.returncode == -signal.SIGKILL
        assert result.returncode in {0, -signal.SIGKILL}, result.stderr
        heads += read_heads(log)
        assert [head.size for head in read_heads(log)] == sorted((h.size for h in read_heads(log)), reverse=True)
        with suppress(TypeError, ProofError):  # nothing is published before the first part 7
            log.checkpoint()
    assert kills >= 3, "the processes must die in the middle"
    result = run_process(log, key_file, 0)
    assert result.returncode == 0, result.stderr
    check_tree(log)
    last = log.checkpoint()
    for head in heads:
        proof = prove_consistency(head.size, last.size, log.read_hash())
        check_consistency(head.size, last.size, head.root, last.root, proof)
    numbers = [int(leaf.fields[2]) for leaf in log.leaves() if leaf.kind is LeafKind.BATCH]
    assert sorted(numbers) == list(range(1, number + 1))
