"""A node's two keys, and the request by which it asks to be enrolled.

The signing key (Ed25519) proves that readings are the node's; the TLS key (P-256) opens the link. Both
can be made on the node, so that neither ever leaves it. The request that does leave is a signed note,

    <verifier key of the signing key>
    -----BEGIN CERTIFICATE REQUEST----- ... (RFC 2986, common name = the node's id)

signed by the signing key; the certificate request is signed by the TLS key. The sender thereby proves to hold both.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes

from edge_agent.errors import AgentError
from edge_agent.wire import NoteError, Signer, Verifier

SIGNING_KEY, TLS_KEY = "node.key", "node-tls.key"
_PEM = serialization.Encoding.PEM
_MAX_REQUEST_BYTES = 16_384


@dataclass(frozen=True, kw_only=True)
class NodeKeys:
    """Both private keys. `repr` shows neither."""

    signer: Signer
    tls_key: ec.EllipticCurvePrivateKey

    @classmethod
    def generate(cls, node: str) -> Self:
        """Two new keys."""
        return cls(signer=Signer.generate(node), tls_key=ec.generate_private_key(ec.SECP256R1()))

    def files(self) -> dict[str, bytes]:
        """File name -> contents, for mode 0600."""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return {
            SIGNING_KEY: self.signer.export().encode() + b"\n",
            TLS_KEY: self.tls_key.private_bytes(_PEM, form, plain),
        }

    def build_request(self) -> bytes:
        """The signed request."""
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, self.signer.name)])
        csr = x509.CertificateSigningRequestBuilder().subject_name(name).sign(self.tls_key, hashes.SHA256())
        return self.signer.sign(str(self.signer.verifier).encode() + b"\n" + csr.public_bytes(_PEM))


@dataclass(frozen=True, kw_only=True)
class EnrolmentRequest:
    """A request that holds: both signatures fit, and both name the same node."""

    node: str
    verifier: Verifier
    tls_key: ec.EllipticCurvePublicKey

    @classmethod
    def parse(cls, note: bytes) -> Self:
        """Check all signatures and names. Raises NoteError with the reason."""
        if len(note) > _MAX_REQUEST_BYTES:
            raise NoteError(f"{len(note)} bytes are no enrolment request")
        first_line, _, _ = note.partition(b"\n")
        verifier = Verifier.parse(first_line.decode(errors="replace"))
        names, key = _read_certificate_request(verifier.open(note).partition(b"\n")[2])
        if names != [verifier.name]:
            raise NoteError(f"the certificate request is for {', '.join(names) or 'nobody'}, not for {verifier.name}")
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
            raise NoteError("the TLS key of a node is a P-256 key")
        return cls(node=verifier.name, verifier=verifier, tls_key=key)


def _read_certificate_request(pem: bytes) -> tuple[list[str], CertificatePublicKeyTypes]:
    """The common names and the key of a request that its own key signed. Raises NoteError."""
    try:
        csr = x509.load_pem_x509_csr(pem)
        names = [str(attribute.value) for attribute in csr.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
        key, is_valid = csr.public_key(), csr.is_signature_valid
    except (ValueError, UnsupportedAlgorithm) as error:
        raise NoteError(f"the certificate request cannot be read: {error}") from None
    if not is_valid:
        raise NoteError("the certificate request is not signed by its own key")
    return names, key


def create_keys(node: str, folder: Path) -> Path:
    """Make both keys in `folder`, mode 0600, never over existing ones; returns the file of the request."""
    keys = NodeKeys.generate(node)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, contents in keys.files().items():
            with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(contents)
        request_file = folder / f"{node}.request"
        request_file.write_bytes(keys.build_request())
    except FileExistsError as error:
        raise AgentError(f"{error.filename} is there already: a node keeps its keys; use another folder") from None
    except OSError as error:
        raise AgentError(f"{error.filename or folder}: {error.strerror}") from None
    return request_file
