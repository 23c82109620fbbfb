"""Witnesses and time stamps together, as a sequencer calls them."""

import asyncio
import time

import pytest

from gateway.transparency.errors import ProofError
from gateway.transparency.head_services import open_head_services
from gateway.transparency.policy import Policy
from tests.gateway.transparency.stamp_authority import StampAuthority, serve_stamps
from tests.gateway.witness.witness_world import MemoryLog, WitnessProcess


@pytest.fixture
def log():
    return MemoryLog().grow(5)


def open_services(folder, **settings):
    none = {"policy": None, "time_stamp_url": None, "time_stamp_certificate": None}
    return open_head_services(**{**none, **settings}, folder=folder)


async def test_without_settings_a_head_stays_as_it_is(log, tmp_path):
    services = open_services(tmp_path)
    assert await services.cosign(log.note(), log.read_hash) == log.note()
    await services.aclose()
    assert not list(tmp_path.iterdir())


async def test_a_head_is_signed_by_the_witness_and_stamped_with_that_signature(log, tmp_path):
    authority = StampAuthority(tmp_path / "authority")
    policy = tmp_path / "policy"
    with (
        WitnessProcess(tmp_path / "witness", log).run() as witness,
        serve_stamps(lambda query: (200, authority.reply(query))) as url,
    ):
        policy.write_text(f"log {log.signer.verifier}\nwitness raad {witness.key} {witness.url}\nquorum raad\n")
        services = open_services(
            tmp_path / "log",
            policy=policy,
            time_stamp_url=url,
            time_stamp_certificate=authority.folder / "root.pem",
        )
        note = await services.cosign(log.note(), log.read_hash)
        Policy.parse(policy.read_text()).open(note)
        async with asyncio.timeout(20):
            while not (tmp_path / "log/timestamps/5.tsr").exists():
                await asyncio.sleep(0.05)
        assert (tmp_path / "log/timestamps/5.checkpoint").read_bytes() == note
        await services.aclose()


async def test_a_slow_authority_delays_no_head(log, tmp_path):
    with serve_stamps(lambda query: (time.sleep(2), (200, b""))[1]) as url:
        services = open_services(tmp_path, time_stamp_url=url)
        started_at = time.monotonic()
        for _ in range(3):
            await services.cosign(log.note(), log.read_hash)
        assert time.monotonic() - started_at < 1
        await services.aclose()


def test_a_wrong_policy_or_certificate_is_named_at_the_start(tmp_path):
    file = tmp_path / "file"
    file.write_text("nonsense")
    with pytest.raises(ProofError, match="line 1 of the policy"):
        open_services(tmp_path, policy=file)
    with pytest.raises(ProofError, match="certificate"):
        open_services(tmp_path, time_stamp_url="http://x/", time_stamp_certificate=file)
