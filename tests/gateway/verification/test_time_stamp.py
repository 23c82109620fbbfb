"""Time stamps of a head, by an authority made with `openssl ts`."""

import base64
import random
import subprocess

import msgspec
import pytest

from gateway.transparency.checkpoint import read_checkpoint
from gateway.verification.evidence_check import EvidenceChecker, TrustedByReader
from gateway.verification.evidence_file import HeadTimeStamp
from gateway.verification.membership import read_policy
from tests.gateway.verification.both import check, states
from tests.gateway.verification.fuzz import change

_CONFIGURATION = """
[tsa]
default_tsa = authority
[authority]
serial = {folder}/serial
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1
[req]
distinguished_name = name
[name]
[extensions]
extendedKeyUsage = critical,timeStamping
"""


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """Folder with the key, certificate and settings of an authority that signs itself."""
    folder = tmp_path_factory.mktemp("authority")
    (folder / "settings").write_text(_CONFIGURATION.format(folder=folder))
    (folder / "serial").write_text("01\n")
    run = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=authority", "-days", "3"]
    run += ["-config", folder / "settings", "-extensions", "extensions"]
    subprocess.run([*run, "-keyout", folder / "key", "-out", folder / "root.pem"], check=True, capture_output=True)
    return folder


def stamp(authority, text):
    """Answer of the authority for a text, in DER."""
    (authority / "text").write_bytes(text)
    query = ["openssl", "ts", "-query", "-data", authority / "text", "-sha256", "-cert", "-out", authority / "query"]
    subprocess.run(query, check=True, capture_output=True)
    reply = ["openssl", "ts", "-reply", "-queryfile", authority / "query", "-config", authority / "settings"]
    reply += ["-inkey", authority / "key", "-signer", authority / "root.pem", "-out", authority / "reply"]
    subprocess.run(reply, check=True, capture_output=True)
    return (authority / "reply").read_bytes()


def with_stamp(world, token, size=None):
    head = read_checkpoint(world.note())
    time_stamp = HeadTimeStamp(size=size or head.size, token=base64.b64encode(token).decode())
    return msgspec.structs.replace(world.evidence(), time_stamp=time_stamp).encode()


def check_alone(world, content, certificate):
    trusted = TrustedByReader(policy=read_policy(world.policy()), certificate=certificate)
    return {step.name: step for step in EvidenceChecker(trusted).check(content)}["time_stamp"]


def test_a_stamp_of_the_head_is_true_by_the_certificate_of_the_reader(world, authority):
    content = with_stamp(world, stamp(authority, read_checkpoint(world.note()).encode()))
    step = check_alone(world, content, (authority / "root.pem").read_bytes())
    assert (step.state, step.reason) == ("ok", "")
    assert "existed at 20" in step.describe()


def test_without_a_certificate_its_signature_is_not_checked(world, authority):
    content = with_stamp(world, stamp(authority, read_checkpoint(world.note()).encode()))
    assert states(check(content, policy=world.policy()))["time_stamp"] == "not checked"


def test_a_stamp_of_another_text_or_size_is_false(world, authority):
    other = stamp(authority, b"another text")
    assert check_alone(world, with_stamp(world, other), None).state == "false"
    content = with_stamp(world, stamp(authority, read_checkpoint(world.note()).encode()), size=5)
    assert states(check(content, policy=world.policy()))["time_stamp"] == "false"


def test_a_changed_token_ends_in_a_step(world, authority):
    good = stamp(authority, read_checkpoint(world.note()).encode())
    certificate, noise = (authority / "root.pem").read_bytes(), random.Random(random.random())
    for _ in range(300):
        step = check_alone(world, with_stamp(world, change(noise, good)), certificate)
        assert step.describe("nl")


def test_a_stamp_of_another_authority_or_a_changed_one_is_false(world, authority, tmp_path_factory):
    good = stamp(authority, read_checkpoint(world.note()).encode())
    certificate = (authority / "root.pem").read_bytes()
    changed = good[:-1] + bytes([good[-1] ^ 1])
    for token in (changed, b"", b"\x30\x03\x02\x01\x02", good[:100]):
        step = check_alone(world, with_stamp(world, token), certificate)
        assert step.state == "false", step
    other = subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=other", "-keyout", "/dev/null"],
        check=True, capture_output=True,
    ).stdout  # fmt: skip
    assert check_alone(world, with_stamp(world, good), other).state == "false"
    assert check_alone(world, with_stamp(world, good), b"no certificate").state == "false"
