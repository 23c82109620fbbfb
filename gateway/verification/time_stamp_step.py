"""The step about the RFC 3161 time stamp of a head, with `rfc3161-client` if it is installed."""

import hashlib
import importlib
from collections.abc import Iterable

from gateway.transparency.errors import ProofError
from gateway.verification.evidence_file import HeadTimeStamp
from gateway.verification.membership import Head
from gateway.verification.step import StepState, VerificationStep, make_step


def check_time_stamp(evidence: HeadTimeStamp, heads: Iterable[Head], certificate: bytes | None) -> VerificationStep:
    """Step of the time stamp. `certificate`: PEM of the authority's root that the reader trusts."""
    texts = [head.checkpoint.encode() for head in heads if head.checkpoint and head.checkpoint.size == evidence.size]
    try:
        token = evidence.decode_token()
        if not texts:
            raise ProofError(f"no proof in the file leads to a head of {evidence.size} leaves")
        client = importlib.import_module("rfc3161_client")
        response = client.decode_timestamp_response(token)
    except ImportError:
        return make_step("time_stamp", StepState.UNCHECKED, "library")
    except ValueError as error:
        return make_step("time_stamp", StepState.FALSE, reason=str(error))
    imprint = response.tst_info.message_imprint.message
    time = response.tst_info.gen_time
    compared = {"imprint": imprint.hex(), "size": evidence.size}
    text = next((text for text in texts if hashlib.sha256(text).digest() == imprint), None)
    if text is None:
        return make_step(
            "time_stamp", StepState.FALSE, compared=compared, reason="it is of another text than this head"
        )
    if certificate is None:
        return make_step("time_stamp", StepState.UNCHECKED, "certificate", compared=compared, values={"time": time})
    try:
        root = importlib.import_module("cryptography.x509").load_pem_x509_certificate(certificate)
        client.VerifierBuilder().add_root_certificate(root).build().verify_message(response, text)
    except (ValueError, client.VerificationError) as error:
        return make_step("time_stamp", StepState.FALSE, compared=compared, reason=str(error))
    return make_step("time_stamp", StepState.OK, compared=compared, values={"time": time, "size": evidence.size})
