"""The statuses of https://c2sp.org/tlog-witness, one by one, and the stored state of the witness."""

import base64
import itertools
import sqlite3
import threading
from contextlib import ExitStack, closing

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from edge_agent.signing import Signer
from gateway.transparency.add_checkpoint import MAX_BODY_BYTES, CheckpointRequest
from gateway.transparency.checkpoint import Checkpoint
from gateway.transparency.cosignature import cosign
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import EMPTY_ROOT
from gateway.witness.errors import WitnessError
from gateway.witness.service import hash_origin
from gateway.witness.state import ConflictKind, WitnessState
from tests.gateway.witness.witness_world import NOW, LocalWitness, MemoryLog


@pytest.fixture
def log():
    return MemoryLog().grow(5)


@pytest.fixture
def open_witness(tmp_path_factory):
    """Makes witnesses of logs."""
    with ExitStack() as stack:
        yield lambda *logs: stack.enter_context(closing(LocalWitness(tmp_path_factory.mktemp("witness"), *logs)))


@pytest.fixture
def witness(log, open_witness):
    return open_witness(log)


def assert_cosigned(witness, response, note):
    assert response.status == 200, response.body
    assert witness.key.check(note + response.body).time == witness.now
    assert response.body.startswith("— ".encode())
    assert response.body.endswith(b"\n")


def test_the_example_of_the_specification_is_read():
    body = (
        b"old 20852014\n"
        b"PlRNCrwHpqhGrupue0L7gxbjbMiKA9temvuZZDDpkaw=\n"
        b"jrJZDmY8Y7SyJE0MWLpLozkIVMSMZcD5kvuKxPC3swk=\n"
        b"5+pKlUdi2LeF/BcMHBn+Ku6yhPGNCswZZD1X/6QgPd8=\n"
        b"/6WVhPs2CwSsb5rYBH5cjHV/wSmA79abXAwhXw3Kj/0=\n"
        b"\n"
        b"example.com/behind-the-sofa\n"
        b"20852163\n"
        b"CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
        b"\n"
        + "— example.com/behind-the-sofa Az3grlgtzPICa5OS8npVmf1Myq/5IZniMp+ZJurmRDeOoRDe4URYN7u5/Zhcyv2q1gGzGku9nTo+zyWE+xeMcTOAYQ8=\n".encode()  # noqa: E501
    )
    request = CheckpointRequest.parse(body)
    assert (request.old_size, request.checkpoint.size, len(request.proof)) == (20852014, 20852163, 4)
    assert request.encode() == body


def test_200_a_first_head_of_any_size_is_signed_without_a_proof(witness, log):
    assert_cosigned(witness, witness.post(log.request(0).encode()), log.note())


def test_200_a_head_that_continues_the_newest_is_signed(witness, log):
    witness.post(log.request(0, 3).encode())
    assert_cosigned(witness, witness.post(log.request(3).encode()), log.note())


def test_200_the_same_head_is_signed_again_with_the_new_time(witness, log):
    witness.post(log.request(0).encode())
    witness.now += 100
    assert_cosigned(witness, witness.post(log.request(5).encode()), log.note())


def test_200_an_empty_log_is_signed(open_witness):
    log = MemoryLog()
    witness = open_witness(log)
    assert_cosigned(witness, witness.post(log.request(0).encode()), log.note())
    assert_cosigned(witness, witness.post(log.grow(4).request(0).encode()), log.note())


def test_200_signatures_of_unknown_keys_are_ignored(witness, log):
    stranger = cosign(Signer.generate("stranger.example"), log.checkpoint().encode(), NOW)
    impostor = MemoryLog(log.origin)
    extra = impostor.signer.sign(log.checkpoint().encode()).split(b"\n\n")[1]
    response = witness.post(log.request(0).encode() + stranger + extra)
    assert_cosigned(witness, response, log.note())
    assert witness.state.select_newest(log.origin).note == log.note() + response.body, "only the log's own is stored"


def test_404_an_unknown_log(witness):
    response = witness.post(MemoryLog("other.example/log").grow(1).request(0).encode())
    assert response.status == 404


def test_403_no_signature_of_the_log(witness, log):
    impostor = MemoryLog(log.origin, leaves=log.leaves)
    assert witness.post(impostor.request(0).encode()).status == 403


def test_403_a_false_signature_of_the_log_even_beside_a_right_one(witness, log):
    right = log.note().split(b"\n\n")[1]
    blob = bytearray(base64.b64decode(right.split()[-1]))
    blob[-1] ^= 1
    false = right.replace(right.split()[-1], base64.b64encode(bytes(blob)))
    head = b"old 0\n\n" + log.checkpoint().encode() + b"\n"
    for lines in (false, right + false, false + right):
        assert witness.post(head + lines).status == 403
    assert witness.post(head + right).status == 200


def test_400_an_old_size_above_the_size(witness, log):
    assert witness.post(log.request(9, 5).encode()).status == 400


@pytest.mark.parametrize(
    "head",
    [
        "",
        "old",
        "old 05",
        "old -1",
        "new 3",
        "old 3 ",
        "old 99999999999999999999",
        "old 9223372036854775808",
        "old 0\n???",
    ],
)
def test_400_a_request_that_cannot_be_read(witness, log, head):
    assert witness.post(head.encode() + b"\n\n" + log.note()).status == 400


def test_400_more_than_63_hashes(witness, log):
    hashes = "".join(base64.b64encode(bytes([i]) * 32).decode() + "\n" for i in range(64))
    assert witness.post(f"old 1\n{hashes}\n".encode() + log.note()).status == 400
    assert witness.post(f"old 1\n{hashes[45:]}\n".encode() + log.note()).status == 409, "63 are read"


def test_400_a_size_that_no_database_holds(witness, log):
    note = Checkpoint(origin=log.origin, size=2**63, root=b"r" * 32).sign(log.signer)
    assert witness.post(b"old 0\n\n" + note).status == 400


def test_409_an_old_size_that_is_not_the_newest_with_the_newest_in_the_body(witness, log):
    response = witness.post(log.request(2).encode())
    assert (response.status, response.body) == (409, b"0\n")
    witness.post(log.request(0).encode())
    log.grow(4)
    for old_size in (0, 4, 6, 9):
        response = witness.post(log.request(old_size).encode())
        assert (response.status, response.body, response.content_type) == (409, b"5\n", "text/x.tlog.size")
    assert witness.state.select_newest(log.origin).size == 5


def test_409_an_older_head_is_never_signed_again(witness, log):
    witness.post(log.request(0).encode())
    assert witness.post(log.request(0, 3).encode()).status == 409
    assert witness.post(log.request(3, 3).encode()).status == 409
    assert witness.state.list_conflicts() == []


def test_422_an_empty_log_with_the_root_of_another(witness, log):
    note = Checkpoint(origin=log.origin, size=0, root=b"r" * 32).sign(log.signer)
    assert witness.post(b"old 0\n\n" + note).status == 422
    empty = Checkpoint(origin=log.origin, size=0, root=EMPTY_ROOT).sign(log.signer)
    assert witness.post(b"old 0\n\n" + empty).status == 200


def test_422_a_proof_from_the_empty_log(witness, log):
    hash_line = base64.b64encode(b"h" * 32) + b"\n"
    assert witness.post(b"old 0\n" + hash_line + b"\n" + log.note()).status == 422


def test_422_a_proof_that_does_not_lead_to_the_head(witness, log):
    witness.post(log.request(0).encode())
    forked = log.fork(3, 7)
    assert witness.post(forked.request(5).encode()).status == 422
    request = log.grow(5).request(5)
    without_proof = msgspec.structs.replace(request, proof=())
    assert witness.post(without_proof.encode()).status == 422
    assert witness.state.select_newest(log.origin).size == 5


def test_422_the_same_size_with_another_root(witness, log):
    witness.post(log.request(0).encode())
    assert witness.post(log.fork(4, 1).request(5).encode()).status == 422


def test_two_signed_heads_of_one_size_are_stored_as_a_fork_whatever_the_status(witness, log):
    witness.post(log.request(0, 4).encode())
    witness.post(log.request(4, 5).encode())
    for forked, old_size, status in ((log.fork(4, 1), 5, 422), (log.fork(2, 2), 0, 409)):
        assert witness.post(forked.request(old_size).encode()).status == status
    forks = witness.state.list_conflicts()
    assert [(fork.kind, fork.size) for fork in forks] == [(ConflictKind.FORK, 4), (ConflictKind.FORK, 5)]
    for fork in forks:
        heads = [Checkpoint.parse(log.signer.verifier.open(note)) for note in (fork.note, fork.signed_note)]
        assert heads[0].size == heads[1].size
        assert heads[0].root != heads[1].root, "anybody can see the fork in the two notes alone"


def test_a_false_proof_is_stored_until_the_right_proof_arrives(witness, log):
    witness.post(log.request(0).encode())
    request = log.grow(5).request(5)
    false = msgspec.structs.replace(request, proof=request.proof[::-1])
    assert witness.post(false.encode()).status == 422
    assert [conflict.kind for conflict in witness.state.list_conflicts()] == [ConflictKind.NOT_CONTINUED]
    assert witness.post(request.encode()).status == 200
    assert witness.state.list_conflicts() == []


def test_503_a_clock_that_is_behind_signs_nothing(witness, log):
    witness.now = 1_000
    assert witness.post(log.request(0).encode()).status == 503
    witness.now = NOW
    assert witness.post(log.request(0).encode()).status == 200
    witness.now = NOW - 3600
    assert witness.post(log.request(5).encode()).status == 503
    witness.now = NOW - 1
    assert witness.post(log.request(5).encode()).status == 200


def test_503_a_state_that_cannot_be_written_signs_nothing(witness, log):
    witness.state._db.execute("PRAGMA query_only = on")
    response = witness.post(log.request(0).encode())
    assert (response.status, b"\xe2\x80\x94" in response.body) == (503, False)


def test_the_newest_head_is_served_with_both_signatures(witness, log):
    address = f"/{hash_origin(log.origin)}/checkpoint"
    assert witness.get(address).status == 404
    line = witness.post(log.request(0).encode()).body
    assert witness.get(address).body == log.note() + line
    assert witness.get("/0/checkpoint").status == 404
    assert witness.request("POST", address).status == 405
    assert witness.get("/add-checkpoint").status == 405


def test_the_page_shows_key_logs_sizes_and_forks_in_two_languages(witness, log):
    assert "nog niets ondertekend" in witness.get("/").body.decode()
    witness.post(log.request(0).encode())
    witness.post(log.fork(4, 1, "<script>").request(5).encode())
    for language, title in (("nl-NL,nl;q=0.9,en;q=0.8", "gesplitst"), ("en-GB", "was forked"), ("", "gesplitst")):
        page = witness.get("/", language).body.decode()
        assert str(witness.key) in page
        assert "<td>5</td>" in page
        assert "2027-01-15T08:00:00Z" in page
        assert title in page
        assert "<script" not in page


def test_two_threads_never_continue_one_head_both(open_witness):
    """Each thread has its own branch from the same head; the database itself orders them, also between connections."""
    base = MemoryLog().grow(2)
    witness = open_witness(base)
    for round_number in range(20):
        newest = witness.state.select_newest(base.origin)
        old_size = newest.size if newest else 0
        branches = [base.fork(old_size, 1 + number, f"{round_number} {number}") for number in range(4)]
        requests = [branch.request(old_size) for branch in branches]
        barrier, signed = threading.Barrier(4), []

        def send(number, requests=requests, barrier=barrier, signed=signed):
            with WitnessState(witness.path, str(witness.key)) as state:
                own = state if number % 2 else witness.state
                barrier.wait()
                decision = own.decide(requests[number], requests[number].note, now=NOW, cosign=lambda _, __: b"line\n")
                signed += [number] if decision.signature else []

        threads = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(signed) == 1
        base = branches[signed[0]]
        assert witness.state.select_newest(base.origin).root == base.checkpoint().root


def test_a_commit_is_forced_to_the_disk_and_no_signature_leaves_before_it(witness, log):
    assert witness.state._db.execute("PRAGMA synchronous").fetchone() == (2,), "FULL"

    def fail_to_commit(action, *_):
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION and _[0] == "COMMIT" else sqlite3.SQLITE_OK

    witness.state._db.set_authorizer(fail_to_commit)
    assert witness.post(log.request(0).encode()).status == 503
    witness.state._db.set_authorizer(None)
    assert witness.state.select_newest(log.origin) is None


def test_a_missing_or_foreign_state_is_an_error_and_is_never_replaced(open_witness):
    first, second = open_witness(MemoryLog()), open_witness(MemoryLog())
    with pytest.raises(WitnessError, match="belongs to the key"):
        WitnessState(first.path, str(second.key))
    with pytest.raises(WitnessError, match="new file"):
        WitnessState.create(first.path, str(first.key))
    first.state.close()
    first.path.unlink()
    with pytest.raises(WitnessError, match="would sign a forked log"):
        WitnessState(first.path, str(first.key))
    first.path.write_bytes(b"no database" * 100)
    with pytest.raises(WitnessError, match="cannot be used"):
        WitnessState(first.path, str(first.key))


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_witness_never_signs_two_heads_of_which_neither_continues_the_other(open_witness, data):
    """Random histories: branches from any size, requests in any order, right and wrong proofs, restarts."""
    witness = open_witness(log := MemoryLog().grow(data.draw(st.integers(0, 9))))
    branches, signed = [log], []
    for _ in range(data.draw(st.integers(1, 15))):
        branch = data.draw(st.sampled_from(branches))
        match data.draw(st.sampled_from(["grow", "fork", "send", "send", "send", "restart"])):
            case "grow":
                branch.grow(data.draw(st.integers(1, 9)))
            case "fork":
                size = data.draw(st.integers(0, len(branch.leaves)))
                branches.append(branch.fork(size, data.draw(st.integers(0, 9)), f"fork {len(branches)}"))
            case "restart":
                witness.state.close()
                witness.open()
            case "send":
                newest = witness.state.select_newest(log.origin)
                size = data.draw(st.integers(0, len(branch.leaves)))
                guess = data.draw(st.integers(0, size))
                old_size = newest.size if newest and newest.size <= size and data.draw(st.booleans()) else guess
                proofs = data.draw(st.sampled_from(branches))
                request = branch.request(old_size, size)
                if old_size <= size <= len(proofs.leaves):
                    request = msgspec.structs.replace(request, proof=proofs.request(old_size, size).proof)
                if witness.post(request.encode()).status == 200:
                    signed.append((size, branch.leaves[:size]))
    sizes = [size for size, _ in signed]
    assert sizes == sorted(sizes)
    for (size, leaves), (_, later) in itertools.pairwise(signed):
        assert later[:size] == leaves


@given(st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
@settings(deadline=None)
def test_random_bodies_are_read_exactly_or_refused(body):
    try:
        request = CheckpointRequest.parse(body)
    except ProofError:
        return
    assert request.encode() == body


@given(st.integers(0, 10_000), st.binary(max_size=3), st.integers(0, 5))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bodies_are_answered_with_a_status_and_never_signed(witness, log, position, bytes_, removed):
    witness.post(log.request(0, 3).encode())
    newest = witness.state.select_newest(log.origin).size
    body = log.grow(1).request(newest).encode()
    position %= len(body)
    changed = body[:position] + bytes_ + body[position + removed :]
    response = witness.post(changed)
    if response.status == 200:
        assert CheckpointRequest.parse(changed).checkpoint == log.checkpoint(), "only lines of strangers may differ"
    else:
        assert changed != body
        assert response.status in {400, 403, 404, 409, 422}


def test_a_body_above_the_limit_is_refused(witness, log):
    assert witness.post(log.request(0).encode() + b" " * MAX_BODY_BYTES).status == 400
