"""Certificates of enrolled nodes from an authority in a folder, and the check of a configuration before it is sent."""

import datetime as dt
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent import provisioning
from edge_agent.configuration import ConfigurationError
from gateway.enrolment.authority import CertificateAuthority
from gateway.errors import GatewayError
from gateway.operator.errors import OperatorError, RefusalKind


class FolderIssuer:
    """The authority in the folder `ca`, read for each act: it may be on a stick that comes and goes."""

    def __init__(self, ca: Path) -> None:
        self._ca = ca

    def renew(self, node: str) -> bytes:
        """Issue a certificate for the newest TLS key of the node, as PEM. Raises GatewayError."""
        authority = CertificateAuthority.load(self._ca)
        certificates = authority.find_certificates(node)
        if not certificates:
            raise GatewayError(f"the authority in {self._ca} never issued a certificate for {node}; enrol it first")
        key = certificates[-1].public_key()
        assert isinstance(key, ec.EllipticCurvePublicKey)  # noqa: S101 - every leaf of ours is P-256
        return authority.issue(node, key, dt.datetime.now(dt.UTC))

    def revoke(self, node: str) -> int:
        """Put every certificate of the node on the revocation list; return how many were added. Raises GatewayError."""
        return CertificateAuthority.load(self._ca).revoke(node, dt.datetime.now(dt.UTC))

    def describe(self, certificate: bytes) -> str:
        """Return serial number and last day of a certificate, for the audit log."""
        parsed = x509.load_pem_x509_certificate(certificate)
        return f"{parsed.serial_number:x} until {parsed.not_valid_after_utc:%Y-%m-%d}"


def check_configuration(toml: str) -> None:
    """Raise OperatorError with one sentence if no node could use these sensors and batching."""
    try:
        provisioning.check_overlay(toml, "configuration")
    except ConfigurationError as error:
        raise OperatorError(RefusalKind.INVALID, "other", reason=str(error)) from None
