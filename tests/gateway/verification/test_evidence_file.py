import msgspec
import pytest

from gateway.transparency.errors import ProofError
from gateway.verification.evidence_file import (
    MAX_EVIDENCE_BYTES,
    ClaimedValue,
    EvidenceFile,
    HeadTimeStamp,
    LoggedDocument,
    LoggedLeaf,
    PublishedValue,
    SignedBatch,
)

EVIDENCE = EvidenceFile(
    claim=ClaimedValue(
        station="ijmuiden",
        node="ijm-001",
        observed_property="pm2_5",
        observed_at="2026-11-29T02:00:00.000Z",
        value=12.5,
        flags=0,
        published=PublishedValue(value=12.5, flags=[], corrected=9.25, rule="kappa-koehler 2"),
    ),
    batch=SignedBatch(node="ijm-001", incarnation="abcdefghijkl", number=17, signed="e30=", proof="proof"),
    node_key=LoggedLeaf(leaf="leaf", proof="proof"),
    events=[LoggedDocument(document="{}", leaf="leaf", proof="proof")],
    policy="quorum none\n",
    time_stamp=HeadTimeStamp(size=3, token="e30="),
)


def test_a_file_is_read_as_it_was_written_with_its_keys_in_order():
    assert EvidenceFile.parse(EVIDENCE.encode()) == EVIDENCE
    assert list(msgspec.json.decode(EVIDENCE.encode())) == [
        "format", "claim", "batch", "node_key", "events", "deliveries", "rules", "policy", "time_stamp",
        "minute_batches",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"\xff", "not JSON"),
        (b"[]", "cannot be read"),
        (b'{"format": "piekwacht/evidence@v2"}', "cannot be read"),
        (EVIDENCE.encode().replace(b'"policy"', b'"extra": 1, "policy"'), "cannot be read"),
        (EVIDENCE.encode().replace(b'"policy"', b'"policy": "", "policy"'), "a key stands twice"),
        (EVIDENCE.encode().replace(b"12.5", b"NaN"), "NaN"),
        (EVIDENCE.encode().replace(b"12.5", b"1e999"), "too large"),
        (EVIDENCE.encode().replace(b"ijmuiden", b"\\ud800"), "half a character"),
        (EVIDENCE.encode().replace(b"17", b"9" * 5000), "not JSON"),
        (EVIDENCE.encode().replace(b"02:00:00.000Z", b"02:00:00Z"), "cannot be read"),
        (b" " * (MAX_EVIDENCE_BYTES + 1), "more than"),
    ],
)
def test_an_invalid_evidence_file_is_refused_with_the_reason(content, sentence):
    with pytest.raises(ProofError, match=sentence):
        EvidenceFile.parse(content)


def test_base64_is_read_in_its_only_form():
    assert EVIDENCE.batch.decode_signed() == b"{}"
    with pytest.raises(ProofError, match="beyond the last byte"):
        msgspec.structs.replace(EVIDENCE.batch, signed="e31=").decode_signed()
