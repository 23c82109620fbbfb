"""The step about the RFC 3161 time stamp of a head, with `rfc3161-client` if it is installed."""

import hashlib
import importlib
import warnings
from collections.abc import Iterable
from typing import Any

from gateway.transparency.errors import ProofError
from gateway.verification.evidence_file import HeadTimeStamp
from gateway.verification.membership import Head
from gateway.verification.step import StepState, VerificationStep, make_step


def check_time_stamp(evidence: HeadTimeStamp, heads: Iterable[Head], certificate: bytes | None) -> VerificationStep:
    """Step of the time stamp. `certificate`: PEM of the authority's root, and others below it."""
    compared = {"sha256": hashlib.sha256(evidence.token.encode()).hexdigest(), "size": evidence.size}
    try:
        client = importlib.import_module("rfc3161_client")
        response, text = _read_stamp(client, evidence, heads)
        values = {"time": response.tst_info.gen_time, "size": evidence.size}
        if certificate is None:
            return make_step("time_stamp", StepState.UNCHECKED, "certificate", compared=compared, values=values)
        _verify(client, response, text, certificate)
    except ImportError:
        return make_step("time_stamp", StepState.UNCHECKED, "library")
    except Exception as error:  # noqa: BLE001 - the library raises many kinds for bytes of a stranger
        return make_step("time_stamp", StepState.FALSE, compared=compared, reason=" ".join(str(error).split()))
    return make_step("time_stamp", StepState.OK, compared=compared, values=values)


def _read_stamp(client: Any, evidence: HeadTimeStamp, heads: Iterable[Head]) -> tuple[Any, bytes]:  # noqa: ANN401
    """Answer of the authority, and the text of the head that it stamped. Raises ValueError with the reason."""
    texts = [head.checkpoint.encode() for head in heads if head.checkpoint and head.checkpoint.size == evidence.size]
    token = evidence.decode_token()
    if not texts:
        raise ProofError(f"no proof in the file leads to a head of {evidence.size} leaves")
    response = client.decode_timestamp_response(token)
    imprint = response.tst_info.message_imprint.message
    text = next((text for text in texts if hashlib.sha256(text).digest() == imprint), None)
    if text is None:
        raise ProofError("it is of another text than this head")
    return response, text


def _verify(client: Any, response: Any, text: bytes, pem: bytes) -> None:  # noqa: ANN401 - of a library
    """Raise an error of the library unless the roots among these certificates confirm the stamp."""
    builder = client.VerifierBuilder()
    for certificate in importlib.import_module("cryptography.x509").load_pem_x509_certificates(pem):
        if certificate.issuer == certificate.subject:
            builder = builder.add_root_certificate(certificate)
        else:
            builder = builder.add_intermediate_certificate(certificate)
    with warnings.catch_warnings(action="ignore"):  # about certificates of a stranger
        builder.build().verify_message(response, text)
