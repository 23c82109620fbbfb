"""RFC 3161 time stamps of heads, from an authority on loopback; the checks are offline."""

import asyncio
import subprocess
from datetime import UTC, datetime, timedelta

import pytest

from gateway.transparency.errors import ProofError
from gateway.transparency.time_stamp_token import TrustedAuthority, build_time_stamp_request, check_time_stamp
from gateway.transparency.time_stamps import TimeStamper, TimeStampOutcome
from tests.gateway.transparency.stamp_authority import StampAuthority, serve_stamps
from tests.gateway.witness.witness_world import NOW, MemoryLog

TEXT = MemoryLog().grow(5).checkpoint().encode()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    return StampAuthority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def answer(authority):
    return authority.reply(build_time_stamp_request(TEXT).as_bytes())


@pytest.fixture
def log():
    return MemoryLog().grow(5)


@pytest.mark.parametrize("names", [["root_pem"], ["signer_pem", "root_pem"]])
def test_a_stamp_is_verified_with_the_root(authority, answer, names):
    pem = b"".join(getattr(authority, name) for name in names)
    time = check_time_stamp(answer, TEXT, TrustedAuthority.parse(pem))
    assert abs(time - datetime.now(UTC)) < timedelta(minutes=10)


def test_certificates_without_a_root_are_refused_when_they_are_read(authority):
    with pytest.raises(ProofError, match="lacks its root certificate"):
        TrustedAuthority.parse(authority.signer_pem)


def test_a_stamp_of_another_text_or_request_or_authority_is_refused(authority, answer, tmp_path):
    own = TrustedAuthority.parse(authority.root_pem)
    other = TrustedAuthority.parse(StampAuthority(tmp_path, "Another").root_pem)
    for text, trusted, nonce, reason in (
        (TEXT + b"\n", own, None, "of another text"),
        (TEXT, other, None, "does not hold"),
        (TEXT, own, 1, "answers another request"),
        (TEXT + b"\n", None, None, "of another text"),
    ):
        with pytest.raises(ProofError, match=reason):
            check_time_stamp(answer, text, trusted, nonce=nonce)


def test_every_changed_byte_of_a_stamp_is_detected_or_changes_nothing(authority, answer):
    """Some bytes of the DER are not signed, such as those of the surplus certificates; time and text never change."""
    own, time = TrustedAuthority.parse(authority.root_pem), None
    time = check_time_stamp(answer, TEXT, own)
    for position in range(0, len(answer), 5):
        changed = answer[:position] + bytes([answer[position] ^ 1]) + answer[position + 1 :]
        try:
            assert check_time_stamp(changed, TEXT, own) == time
        except ProofError:
            continue


@pytest.mark.parametrize("wrong", [b"", b"\x30\x00", b"<html>", bytes(500)])
def test_an_answer_that_is_no_stamp_is_one_sentence(authority, wrong):
    with pytest.raises(ProofError, match="cannot be read"):
        check_time_stamp(wrong, TEXT, TrustedAuthority.parse(authority.root_pem))


def test_an_unreadable_certificate_is_one_sentence():
    with pytest.raises(ProofError, match="certificate of the time stamp authority"):
        TrustedAuthority.parse(b"no certificate")


def make_stamper(authority, url, folder, now):
    return TimeStamper(url, TrustedAuthority.parse(authority.root_pem), folder, now=lambda: now[0], timeout=5)


async def test_a_head_is_stamped_every_hour_and_stored_with_its_note(authority, log, tmp_path):
    now = [float(NOW)]
    with serve_stamps(lambda query: (200, authority.reply(query))) as url:
        stamper = make_stamper(authority, url, tmp_path, now)
        assert await stamper.stamp_if_due(log.note()) is TimeStampOutcome.STORED
        now[0] += 3_599
        assert await stamper.stamp_if_due(log.grow(1).note()) is None
        now[0] += 1
        assert await stamper.stamp_if_due(log.note()) is TimeStampOutcome.STORED
        now[0] += 3_600
        assert await stamper.stamp_if_due(log.note()) is None, "this head has a stamp"
    assert {path.name for path in (tmp_path / "timestamps").iterdir()} == {
        "5.tsr", "5.checkpoint", "6.tsr", "6.checkpoint",
    }  # fmt: skip
    assert (tmp_path / "timestamps/6.checkpoint").read_bytes() == log.note()


async def test_openssl_verifies_the_stored_stamp(authority, log, tmp_path):
    with serve_stamps(lambda query: (200, authority.reply(query))) as url:
        await make_stamper(authority, url, tmp_path, [NOW]).stamp_if_due(log.note())
    (tmp_path / "text").write_bytes(log.checkpoint().encode())
    command = ["openssl", "ts", "-verify", "-in", tmp_path / "timestamps/5.tsr", "-data", tmp_path / "text"]
    command += ["-CAfile", authority.folder / "root.pem"]
    result = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True)
    assert "Verification: OK" in result.stdout + result.stderr


async def test_a_restart_does_not_stamp_again_within_the_hour(authority, log, tmp_path):
    folder = tmp_path / "timestamps"
    folder.mkdir()
    (folder / "4.tsr").touch()
    now = [(folder / "4.tsr").stat().st_mtime + 3_000]
    with serve_stamps(lambda query: (200, authority.reply(query))) as url:
        stamper = make_stamper(authority, url, tmp_path, now)
        assert await stamper.stamp_if_due(log.note()) is None
        now[0] += 601
        assert await stamper.stamp_if_due(log.note()) is TimeStampOutcome.STORED


@pytest.mark.parametrize("kind", ["status", "nonsense", "endless", "other text", "other authority", "refusal"])
async def test_a_false_answer_is_not_stored_and_is_tried_again_ever_more_seldom(authority, answer, log, tmp_path, kind):
    other = StampAuthority(tmp_path / "other", "Another") if kind == "other authority" else authority
    replies = {
        "status": lambda query: (503, b""),
        "nonsense": lambda query: (200, b"nonsense"),
        "endless": lambda query: (200, bytes(200_000)),
        "other text": lambda query: (200, answer),
        "other authority": lambda query: (200, other.reply(query)),
        "refusal": lambda query: (200, bytes.fromhex("30053003020102")),
    }
    outcome = TimeStampOutcome.UNREACHABLE if kind == "status" else TimeStampOutcome.WRONG_ANSWER
    now, requests = [float(NOW)], []

    def reply(query):
        requests.append(query)
        return replies[kind](query)

    with serve_stamps(reply) as url:
        stamper = make_stamper(authority, url, tmp_path / "log", now)
        assert await stamper.stamp_if_due(log.note()) is outcome
        for _ in range(240):
            now[0] += 60
            assert await stamper.stamp_if_due(log.note()) in {None, outcome}
    assert 6 < len(requests) < 15, "after 1, 2, 4, ... minutes, then every hour"
    assert not list(tmp_path.glob("log/timestamps/*"))


async def test_an_unreachable_authority_and_a_full_disk_raise_nothing(authority, log, tmp_path):
    stamper = make_stamper(authority, "http://127.0.0.1:9/", tmp_path, [NOW])
    assert await stamper.stamp_if_due(log.note()) is TimeStampOutcome.UNREACHABLE
    (tmp_path / "timestamps").write_text("a file in the place of the folder")
    with serve_stamps(lambda query: (200, authority.reply(query))) as url:
        stamper = make_stamper(authority, url, tmp_path, [NOW])
        assert await stamper.stamp_if_due(log.note()) is TimeStampOutcome.NOT_WRITTEN
