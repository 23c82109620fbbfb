"""Leaves, checkpoints, cosignatures, proofs and policies: read back exactly, and refused when changed."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.signing import Signer
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from gateway.transparency.cosignature import WitnessKey, cosign
from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import KINDS, Leaf, describe_batch, encode_canonically
from gateway.transparency.policy import Policy
from gateway.transparency.proof_file import LogProof

ORIGIN = "piekwacht.example/log/ijmond"
LOG, FIRST, SECOND = (Signer.generate(name) for name in (ORIGIN, "ggd.example/w", "dorpsraad.example/w"))
CHECKPOINT = Checkpoint(origin=ORIGIN, size=3, root=b"r" * 32)
WORD = st.from_regex(r"[!-~]{1,40}", fullmatch=True)


def cosigned_note():
    note = CHECKPOINT.sign(LOG)
    return note + cosign(FIRST, CHECKPOINT.encode(), 1_800_000_000) + cosign(SECOND, CHECKPOINT.encode(), 1_800_000_001)


def write_policy(quorum="all"):
    return "\n".join((
        f"log {LOG.verifier} https://piekwacht.example/log/ijmond",
        f"witness ggd {WitnessKey.of(FIRST)}",
        f" witness dorpsraad\t{WitnessKey.of(SECOND)} https://dorpsraad.example/w",
        "# a comment",
        f"group both {quorum} ggd dorpsraad",
        "quorum both",
        "",
    ))  # fmt: skip


@given(st.data(), st.sampled_from(list(KINDS)))
def test_every_kind_of_leaf_is_read_back(data, kind):
    leaf = Leaf(kind=kind, fields=tuple(data.draw(WORD) for _ in KINDS[kind]), content=data.draw(WORD))
    assert Leaf.parse(leaf.encode()) == leaf


def test_the_leaf_of_a_batch_is_three_lines_and_changes_are_refused():
    leaf = describe_batch("ijm-001", "abcdefghijkl", 17, b"payload")
    digest = "I59Zr25mKkFDDO30R6cipsbuxehdvQ2VQnKgJ9aT3/E="
    assert leaf.encode().decode().split("\n")[:2] == ["piekwacht/batch@v1", "ijm-001 abcdefghijkl 17"]
    assert len(base64.b64decode(leaf.content)) == len(base64.b64decode(digest)) == 32
    entry = leaf.encode()
    for changed in (
        entry[:-1],
        entry + b"\n",
        entry.replace(b" 17", b"  17"),
        entry.replace(b"@v1", b"@v9"),
        b"",
        b"\xff\n\n\n",
    ):
        with pytest.raises(ProofError):
            Leaf.parse(changed)


def test_an_identifier_with_a_space_is_refused():
    with pytest.raises(ProofError, match="without spaces"):
        describe_batch("ijm 001", "abcdefghijkl", 17, b"")


@given(st.dictionaries(st.text(max_size=5), st.integers(-9, 9)))
def test_canonical_json_does_not_depend_on_the_order_of_keys(value):
    assert encode_canonically(value) == encode_canonically(dict(reversed(value.items())))


def test_a_checkpoint_opens_with_its_log_alone():
    note = CHECKPOINT.sign(LOG)
    assert open_checkpoint(note, LOG.verifier) == CHECKPOINT
    assert open_checkpoint(cosigned_note(), LOG.verifier) == CHECKPOINT, "signatures of others are read over"
    with pytest.raises(ProofError, match="not signed by its log"):
        open_checkpoint(note, Signer.generate(ORIGIN).verifier)
    with pytest.raises(ProofError, match="is of the log"):
        open_checkpoint(note, FIRST.verifier)
    with pytest.raises(ProofError, match="cannot sign"):
        CHECKPOINT.sign(FIRST)


ZEROES = "A" * 43 + "="


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a\n1\n",
        f"a\n01\n{ZEROES}\n",
        "a\n1\nAAAA\n",
        f"\n1\n{ZEROES}\n",
        f"a\n1\n{ZEROES}\nextension\n",
        f"a\n1\n{'A' * 42}B=\n",
        f"a\n0\n{ZEROES}\n",
        f"a\n1\n{ZEROES}",
    ],
)
def test_a_checkpoint_in_another_form_is_refused(text):
    with pytest.raises(ProofError):
        Checkpoint.parse(text.encode())


@given(st.data())
def test_every_changed_byte_of_a_signed_checkpoint_is_detected(data):
    note = bytearray(CHECKPOINT.sign(LOG))
    position = data.draw(st.integers(0, len(note) - 1))
    note[position] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ProofError):
        open_checkpoint(bytes(note), LOG.verifier)


def test_a_cosignature_holds_the_time_and_fits_this_text_alone():
    note, key = cosigned_note(), WitnessKey.of(FIRST)
    assert WitnessKey.parse(str(key)) == key
    assert key.check(note).time == 1_800_000_000
    assert WitnessKey.of(Signer.generate("other.example")).check(note) is None
    other = Checkpoint(origin=ORIGIN, size=4, root=b"r" * 32).sign(LOG) + note.split(b"\n")[-3] + b"\n"
    with pytest.raises(ProofError, match="does not fit"):
        key.check(other)


def test_keys_of_logs_and_witnesses_cannot_be_exchanged():
    for text in (str(LOG.verifier), "a", "a+b+c", str(WitnessKey.of(FIRST)).replace("ggd", "gdd")):
        with pytest.raises(ProofError):
            WitnessKey.parse(text)


def test_a_policy_demands_its_quorum():
    log_alone = CHECKPOINT.sign(LOG)
    one_witness = log_alone + cosign(FIRST, CHECKPOINT.encode(), 1)
    checkpoint, cosignatures = Policy.parse(write_policy()).open(cosigned_note())
    assert checkpoint == CHECKPOINT
    assert [item.witness for item in cosignatures] == [FIRST.name, SECOND.name]
    assert Policy.parse(write_policy("any")).open(one_witness)[0] == CHECKPOINT
    with pytest.raises(ProofError, match="demands 2 of ggd, dorpsraad, and ggd signed"):
        Policy.parse(write_policy("2")).open(one_witness)
    with pytest.raises(ProofError, match="and nobody signed"):
        Policy.parse(write_policy("1")).open(log_alone)
    assert Policy.parse(f"log {LOG.verifier}\nquorum none").open(log_alone) == (CHECKPOINT, [])
    with pytest.raises(ProofError, match="does not know the log"):
        Policy.parse("quorum none").open(log_alone)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("quorum none", "one quorum"),
        ("group x 3 ggd dorpsraad", "threshold"),
        ("group x any nobody", "not defined"),
        ("group none any ggd", "is taken"),
        ("group x any ggd ggd", "twice"),
        ("group x ٣ ggd", "threshold"),
        (f"group x {'9' * 5000} ggd", "threshold"),
        ("witness again WITNESS_KEY", "earlier line"),
        ("log LOG_KEY", "earlier line"),
        ("log a+b+c", "base64"),
        ("mirror x", "is none of"),
        ("witness x", "a name, a key"),
    ],
)
def test_a_policy_with_a_wrong_line_names_the_line(line, reason):
    line = line.replace("WITNESS_KEY", str(WitnessKey.of(FIRST))).replace("LOG_KEY", str(LOG.verifier))
    with pytest.raises(ProofError, match=f"line 8 of the policy: .*{reason}"):
        Policy.parse(write_policy() + "\n" + line)


def test_a_policy_without_a_quorum_is_refused():
    with pytest.raises(ProofError, match="no line `quorum`"):
        Policy.parse(f"log {LOG.verifier}")


@given(st.integers(0, 10**9), st.lists(st.binary(min_size=32, max_size=32), max_size=63))
def test_a_proof_file_is_read_back_and_its_extra_line_is_read_over(index, hashes):
    proof = LogProof(index=index, hashes=tuple(hashes), checkpoint=cosigned_note())
    content = proof.encode()
    assert LogProof.parse(content) == proof
    assert LogProof.parse(content.replace(b"v1\nindex", b"v1\nextra QUJD\nindex", 1)) == proof


@given(st.binary(max_size=300))
def test_noise_is_never_read_as_a_proof_or_a_checkpoint(noise):
    for read in (LogProof.parse, read_checkpoint, Leaf.parse):
        with pytest.raises(ProofError):
            read(noise)


def test_a_cut_off_proof_is_refused_by_name():
    content = LogProof(index=1, hashes=(b"h" * 32,), checkpoint=cosigned_note()).encode()
    with pytest.raises(ProofError, match="begins with the line"):
        LogProof.parse(content[10:])
    with pytest.raises(ProofError, match="more than"):
        LogProof.parse(content + b"x" * 100_000)
    with pytest.raises(ProofError, match="no line `index`"):
        LogProof.parse(content.replace(b"index 1", b"index 01"))
