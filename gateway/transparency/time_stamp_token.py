"""RFC 3161 time stamps of a checkpoint's text: the request, and the offline check of the answer.

The stamped bytes are the text of the checkpoint without signatures, hashed with SHA-256. The answer of the authority is
stored and checked as it came, a TimeStampResp in DER. `rfc3161-client` has no network.
"""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Self

from cryptography.x509 import Certificate, load_pem_x509_certificates
from msgspec import Struct
from rfc3161_client import (
    HashAlgorithm,
    TimeStampRequest,
    TimestampRequestBuilder,
    TimeStampResponse,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from gateway.transparency.errors import ProofError

_SHA256 = "2.16.840.1.101.3.4.2.1"
_GRANTED = 0


class TrustedAuthority(Struct, frozen=True, kw_only=True):
    """Certificates of a time stamp authority that are trusted: roots, and others between them and the signer."""

    roots: Sequence[Certificate]
    intermediates: Sequence[Certificate]

    @classmethod
    def parse(cls, pem: bytes) -> Self:
        """Read certificates in PEM. Raises ProofError if no root is among them."""
        try:
            certificates = load_pem_x509_certificates(pem)
        except ValueError as error:
            raise ProofError(f"the certificate of the time stamp authority cannot be read: {error}") from None
        roots = [certificate for certificate in certificates if certificate.issuer == certificate.subject]
        if not roots:
            raise ProofError("the file with the certificates of the time stamp authority lacks its root certificate")
        return cls(roots=roots, intermediates=[item for item in certificates if item not in roots])


def build_time_stamp_request(text: bytes) -> TimeStampRequest:
    """Request for a stamp of this text with a random nonce; `as_bytes()` is what is sent."""
    return TimestampRequestBuilder().data(text).hash_algorithm(HashAlgorithm.SHA256).build()


def check_time_stamp(
    answer: bytes, text: bytes, authority: TrustedAuthority | None, *, nonce: int | None = None
) -> datetime:
    """Return the time of a stamp, in UTC. Raises ProofError if it is not of this text or not by this authority.

    Without an authority only the text and the nonce are compared; the signature proves nothing then.
    """
    try:
        response = decode_timestamp_response(answer)
    except ValueError as error:
        raise ProofError(f"the time stamp cannot be read: {error}") from None
    if response.status != _GRANTED:
        raise ProofError(f"the authority refused the time stamp: status {response.status} {response.status_string}")
    try:
        _compare(response, text, nonce)
        if authority is not None:
            _verify(response, text, authority)
        time: datetime = response.tst_info.gen_time
    except (ValueError, VerificationError) as error:
        raise ProofError(f"the time stamp does not hold: {error}") from None
    return time


def _compare(response: TimeStampResponse, text: bytes, nonce: int | None) -> None:
    imprint = response.tst_info.message_imprint
    if imprint.hash_algorithm.dotted_string != _SHA256 or imprint.message != hashlib.sha256(text).digest():
        raise ProofError("it is of another text")
    if nonce is not None and response.tst_info.nonce != nonce:
        raise ProofError("it answers another request")


def _verify(response: TimeStampResponse, text: bytes, authority: TrustedAuthority) -> None:
    builder = VerifierBuilder()
    for root in authority.roots:
        builder = builder.add_root_certificate(root)
    for intermediate in authority.intermediates:
        builder = builder.add_intermediate_certificate(intermediate)
    builder.build().verify_message(response, text)
