"""The client of witnesses, with real witnesses, and with servers that are dead, slow, or answer something else."""

import asyncio
import logging
import socket
import time
from contextlib import ExitStack, asynccontextmanager, suppress

import pytest

from edge_agent.signing import Signer
from gateway.transparency.cosignature import WitnessKey, cosign
from gateway.transparency.errors import ProofError
from gateway.transparency.policy import Policy
from gateway.transparency.witness_client import WitnessClient, WitnessOutcome
from tests.gateway.witness.witness_world import NOW, MemoryLog, WitnessProcess

STRANGER = Signer.generate("stranger.example/w")


def write_policy(log, **witnesses):
    """Policy of witnesses by name: (key, address)."""
    lines = [f"witness {name} {key} {address}" for name, (key, address) in witnesses.items()]
    return Policy.parse("\n".join([f"log {log.signer.verifier}", *lines, "quorum none"]))


@asynccontextmanager
async def open_client(policy, seconds=10.0):
    client = WitnessClient(policy, timeout=seconds)
    try:
        yield client
    finally:
        await client.aclose()


@pytest.fixture
def log():
    return MemoryLog().grow(5)


@pytest.fixture
def two_witnesses(log, tmp_path):
    with ExitStack() as stack:
        processes = [WitnessProcess(tmp_path / name, log, name=f"{name}.example/w") for name in ("ggd", "raad")]
        yield {process.folder.name: stack.enter_context(process.run()) for process in processes}


def address_all(log, witnesses, **options):
    return write_policy(log, **{name: (w.key, w.url) for name, w in witnesses.items()}, **options)


async def test_two_witnesses_sign_every_head(log, two_witnesses):
    policy = address_all(log, two_witnesses)
    async with open_client(policy) as client:
        for count in (0, 1, 300):
            log.grow(count)
            note = await client.cosign(log.note(), log.read_hash)
            assert note.startswith(log.note())
            _, cosignatures = policy.open(note)
            assert {signed.witness for signed in cosignatures} == {"ggd.example/w", "raad.example/w"}


async def test_a_new_client_and_a_witness_that_is_behind_agree_by_409(log, two_witnesses):
    """A client that remembers nothing, and witnesses that signed different heads before."""
    two_witnesses["ggd"].post(log.request(0, 2).encode())
    policy = address_all(log, two_witnesses)
    for _ in range(2):
        async with open_client(policy) as client:
            note = await client.cosign(log.grow(3).note(), log.read_hash)
            assert len(policy.open(note)[1]) == 2


async def test_a_witness_that_signed_a_larger_head_is_left_out(log, two_witnesses):
    two_witnesses["ggd"].post(MemoryLog(signer=log.signer, leaves=log.leaves).grow(9).request(0).encode())
    policy = address_all(log, two_witnesses)
    async with open_client(policy) as client:
        note = await client.cosign(log.note(), log.read_hash)
        assert [signed.witness for signed in policy.open(note)[1]] == ["raad.example/w"]
        assert client.outcomes == {"ggd": WitnessOutcome.AHEAD, "raad": WitnessOutcome.SIGNED}


async def test_a_witness_that_saw_another_branch_refuses(log, two_witnesses):
    two_witnesses["ggd"].post(log.fork(3, 1).request(0).encode())
    policy = address_all(log, two_witnesses)
    async with open_client(policy) as client:
        note = await client.cosign(log.note(), log.read_hash)
        assert [signed.witness for signed in policy.open(note)[1]] == ["raad.example/w"]
        assert client.outcomes["ggd"] is WitnessOutcome.REFUSED


@asynccontextmanager
async def answer_with(*raw, delay=0.0):
    """A server that answers each request with the next of these bytes, the last one again and again."""
    answers, tasks = [*raw], set()

    async def serve(reader, writer):
        tasks.add(asyncio.current_task())
        with suppress(OSError, asyncio.CancelledError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(answers.pop(0) if len(answers) > 1 else answers[0])
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)


def http(status, body, content_type="text/plain"):
    head = f"HTTP/1.1 {status} X\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n"
    return f"{head}Connection: close\r\n\r\n".encode() + body


def false_answers(log):
    """Name -> answers, and the outcome that they have."""
    size = "text/x.tlog.size"
    line = cosign(STRANGER, log.checkpoint().encode(), NOW)
    other_text = cosign(STRANGER, log.checkpoint(3).encode(), NOW)
    return {
        "nonsense": ([b"\x00\xffnonsense\r\n\r\n"], WitnessOutcome.UNREACHABLE),
        "nothing": ([b""], WitnessOutcome.UNREACHABLE),
        "empty 200": ([http(200, b"")], WitnessOutcome.WRONG_ANSWER),
        "html": ([http(200, b"<html>hello</html>")], WitnessOutcome.WRONG_ANSWER),
        "signature of another text": ([http(200, other_text)], WitnessOutcome.WRONG_ANSWER),
        "broken line": ([http(200, line[:-9] + b"\n")], WitnessOutcome.WRONG_ANSWER),
        "endless": ([http(200, b"a" * 9_000_000)], WitnessOutcome.WRONG_ANSWER),
        "redirect": ([http(302, b"")], WitnessOutcome.REFUSED),
        "409 twice": ([http(409, b"1\n", size), http(409, b"2\n", size)], WitnessOutcome.REFUSED),
        "409 without a size": ([http(409, b"1\n")], WitnessOutcome.WRONG_ANSWER),
        "409 with a text": ([http(409, "²\n".encode(), size)], WitnessOutcome.WRONG_ANSWER),
        "409 with a huge size": ([http(409, b"9" * 5000, size)], WitnessOutcome.WRONG_ANSWER),
        "a right line among others": ([http(200, b"- x\n" + line)], WitnessOutcome.SIGNED),
        "409 and then a right line": ([http(409, b"1\n", size), http(200, line)], WitnessOutcome.SIGNED),
    }


@pytest.mark.parametrize("name", false_answers(MemoryLog().grow(5)))
async def test_an_answer_is_taken_only_with_a_valid_signature(log, name):
    answers, outcome = false_answers(log)[name]
    async with answer_with(*answers) as url:
        policy = write_policy(log, odd=(WitnessKey.of(STRANGER), url))
        async with open_client(policy) as client:
            note = await client.cosign(log.note(), log.read_hash)
            assert client.outcomes == {"odd": outcome}
            assert len(policy.open(note)[1]) == (outcome is WitnessOutcome.SIGNED)


async def test_dead_and_slow_witnesses_cost_their_own_signature_and_the_time_limit_once(log, two_witnesses):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}"
        keys = [WitnessKey.of(Signer.generate(f"{n}.example")) for n in range(3)]
        async with answer_with(http(200, b""), delay=60) as slow:
            policy = address_all(
                log, two_witnesses, dead=(keys[0], dead), slow=(keys[1], slow), odd=(keys[2], "ftp://x\x7f/")
            )
            async with open_client(policy, seconds=3.0) as client:
                started_at = time.monotonic()
                note = await client.cosign(log.note(), log.read_hash)
                assert time.monotonic() - started_at < 6
                assert len(policy.open(note)[1]) == 2
                assert {client.outcomes[name] for name in ("dead", "slow", "odd")} == {WitnessOutcome.UNREACHABLE}


async def test_the_state_of_a_witness_is_logged_when_it_changes(log, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="gateway.transparency")
    process = WitnessProcess(tmp_path / "raad", log)
    with process.run() as witness:
        port = int(witness.url.rsplit(":", 1)[1])
        process.config.write_text(process.config.read_text().replace("port = 0", f"port = {port}"))
        policy = address_all(log, {"raad": witness})
        async with open_client(policy) as client:
            for _ in range(3):
                await client.cosign(log.grow(1).note(), log.read_hash)
            witness.process.kill()
            witness.process.wait()
            for _ in range(3):
                await client.cosign(log.grow(1).note(), log.read_hash)
            with process.run():
                await client.cosign(log.grow(1).note(), log.read_hash)
    messages = [record.getMessage() for record in caplog.records if record.name == "gateway.transparency"]
    assert messages == ["witness signs", "witness does not sign", "witness signs"]


async def test_tiles_that_cannot_be_read_are_no_fault_of_the_witness(log, two_witnesses):
    def fail(level, index):
        raise ProofError("tile/0/000 is missing")

    policy = address_all(log, two_witnesses)
    async with open_client(policy) as client:
        assert await client.cosign(log.note(), log.read_hash) != log.note()
        log.grow(1)
        assert await client.cosign(log.note(), fail) == log.note()
        assert set(client.outcomes.values()) == {WitnessOutcome.NO_PROOF}


async def test_without_addresses_the_note_is_unchanged(log):
    policy = Policy.parse(f"log {log.signer.verifier}\nwitness a {WitnessKey.of(STRANGER)}\nquorum none\n")
    async with open_client(policy) as client:
        assert await client.cosign(log.note(), log.read_hash) == log.note()
