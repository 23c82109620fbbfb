"""The area's certificate authority: a folder of files that an operator can store on a USB stick.

    ca.pem  ca.key (0600)  crl.pem  issued/<name>-<serial>.pem

Every issued certificate stays in `issued/`. The revocation list is the record of revoked certificates.
It expires only with the authority: with an expired list a broker rejects every node (OpenSSL: "CRL has
expired"), and a forgotten renewal would be an outage. Called by `piekwacht ca` and `piekwacht node`.
"""

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway.errors import GatewayError

_PEM = serialization.Encoding.PEM
_CA_DAYS = 3653
LEAF_DAYS = 825  # longest validity of a leaf that common TLS stacks accept
_CLOCK_TOLERANCE = dt.timedelta(hours=1)  # a node's clock may be a little behind at its first start
_EXTENDED_KEY_USAGES = {"client": ExtendedKeyUsageOID.CLIENT_AUTH, "server": ExtendedKeyUsageOID.SERVER_AUTH}


class CertificateAuthority:
    """An authority in a folder; everything it signs is P-256 with SHA-256."""

    def __init__(self, folder: Path, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
        self._folder, self._key, self._certificate = folder, key, certificate

    @classmethod
    def create(cls, folder: Path, name: str, now: dt.datetime) -> Self:
        """Create an authority with an empty revocation list; never overwrite one."""
        if (folder / "ca.key").exists():
            raise GatewayError(f"{folder} already has an authority; choose another folder")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        not_after = now + dt.timedelta(days=_CA_DAYS)
        builder = _certificate_builder(
            subject, subject, key.public_key(), (now - _CLOCK_TOLERANCE, not_after), key.public_key()
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        certificate = builder.add_extension(_key_usage(is_authority=True), critical=True).sign(key, hashes.SHA256())
        authority = cls(folder, key, certificate)
        authority._write_files(key)
        return authority

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Load the authority of this folder. Raises GatewayError if a file is missing or unreadable."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            key = serialization.load_pem_private_key((folder / "ca.key").read_bytes(), None)
        except OSError as error:
            raise GatewayError(
                f"{error.filename}: {error.strerror}; `piekwacht ca init` creates an authority, --ca names its folder"
            ) from None
        except (ValueError, TypeError) as error:
            raise GatewayError(f"the authority in {folder} cannot be read: {error}") from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
            raise GatewayError(f"ca.key and ca.pem in {folder} do not belong together; restore both from one backup")
        return cls(folder, key, certificate)

    @property
    def pem(self) -> bytes:
        """The authority's certificate as PEM."""
        return self._certificate.public_bytes(_PEM)

    def issue(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        now: dt.datetime,
        *,
        use: str = "client",
        hosts: Sequence[str] = (),
    ) -> bytes:
        """Issue a certificate for a client, or a server at `hosts`; store it in issued/ and return the PEM."""
        authority_expires_at = self._certificate.not_valid_after_utc
        if now > authority_expires_at:
            raise GatewayError(
                f"the authority in {self._folder} expired on {authority_expires_at:%Y-%m-%d}; create a new one"
            )
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        not_after = min(now + dt.timedelta(days=LEAF_DAYS), authority_expires_at)
        builder = _certificate_builder(
            subject, self._certificate.subject, key, (now - _CLOCK_TOLERANCE, not_after), self._key.public_key()
        )
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_key_usage(is_authority=False), critical=True)
        builder = builder.add_extension(x509.ExtendedKeyUsage([_EXTENDED_KEY_USAGES[use]]), critical=False)
        if hosts:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False
            )
        certificate = builder.sign(self._key, hashes.SHA256())
        pem = certificate.public_bytes(_PEM)
        _write_atomically(self._folder / "issued" / f"{name}-{certificate.serial_number:x}.pem", pem)
        return pem

    def find_certificates(self, name: str) -> list[x509.Certificate]:
        """Return every certificate of this name, the newest last."""
        certificates = [
            x509.load_pem_x509_certificate(p.read_bytes()) for p in (self._folder / "issued").glob(f"{name}-*.pem")
        ]
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        return sorted(
            (certificate for certificate in certificates if certificate.subject == subject),
            key=lambda certificate: certificate.not_valid_before_utc,
        )

    def revoke(self, name: str, now: dt.datetime) -> int:
        """Put every certificate of this name on the revocation list; return how many were added."""
        entries = x509.load_pem_x509_crl((self._folder / "crl.pem").read_bytes())
        revoked_serials = {item.serial_number for item in entries}
        serials = [
            item.serial_number for item in self.find_certificates(name) if item.serial_number not in revoked_serials
        ]
        new_entries = [x509.RevokedCertificateBuilder().serial_number(n).revocation_date(now).build() for n in serials]
        self._write_crl([*entries, *new_entries], now)
        return len(serials)

    def _write_crl(self, entries: Sequence[x509.RevokedCertificate], now: dt.datetime) -> None:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self._certificate.subject).last_update(now)
        builder = builder.next_update(self._certificate.not_valid_after_utc)
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        _write_atomically(self._folder / "crl.pem", builder.sign(self._key, hashes.SHA256()).public_bytes(_PEM))

    def _write_files(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / "issued").mkdir(exist_ok=True)
        _write_atomically(self._folder / "ca.key", private_pem(key), mode=0o600)
        _write_atomically(self._folder / "ca.pem", self.pem)
        self._write_crl([], self._certificate.not_valid_before_utc)


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Encode a private key as PKCS 8, for a file with mode 0600."""
    return key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def _certificate_builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    validity: tuple[dt.datetime, dt.datetime],
    issuer_key: ec.EllipticCurvePublicKey,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(validity[0])
        .not_valid_after(validity[1])
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
    )


def _key_usage(*, is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write_atomically(path: Path, contents: bytes, *, mode: int = 0o644) -> None:
    """Replace the file atomically: a broker may read the old one meanwhile."""
    temporary = path.with_suffix(".new")
    try:
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
            file.write(contents)
        temporary.replace(path)
    except OSError as error:
        raise GatewayError(f"{path} cannot be written ({error.strerror})") from None
