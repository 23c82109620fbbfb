"""The connection uses TLS with a certificate on both sides, or there is no connection."""

import datetime as dt
import getpass
import ipaddress
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.system.child_process import find_free_port
from tests.edge_agent.running_agent import stop
from tests.waiting import wait_until

pytestmark = pytest.mark.slow  # a real agent, as a process

SIMULATED = 'driver = "simulated"\ninterval_seconds = 0.05\nproperties = ["pm10"]'
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


class Authority:
    """A certificate authority."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._key = folder, ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        self.path = folder / f"{name}.pem"
        self.path.write_bytes(self._sign(self._name, self._key.public_key(), authority=True))

    def issue(self, name: str, *, days: int = 30) -> tuple[Path, Path]:
        """Certificate and key files for this common name, good for 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        certificate, secret = self._folder / f"{name}.crt", self._folder / f"{name}.key"
        certificate.write_bytes(self._sign(subject, key.public_key(), days=days))
        form = serialization.PrivateFormat.PKCS8
        secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
        return certificate, secret

    def _sign(self, subject: x509.Name, public, *, authority: bool = False, days: int = 30) -> bytes:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=60))
            .not_valid_after(now + dt.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if authority:
            usage = dict.fromkeys(("digital_signature", "key_cert_sign", "crl_sign"), True)
            unused_names = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement")
            unused = dict.fromkeys((*unused_names, "encipher_only", "decipher_only"), False)
            builder = builder.add_extension(x509.KeyUsage(**usage, **unused), critical=True)
        else:
            address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(address, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


class Broker:
    """Mosquitto with one port for nodes, TLS and certificates only, and one without TLS for the fake gateway."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.port, self.open_port = find_free_port(), find_free_port()
        self.authority = authority
        certificate, key = authority.issue("broker")
        (folder / "broker.conf").write_text(f"""
per_listener_settings true
user {getpass.getuser()}
listener {self.port} 127.0.0.1
cafile {authority.path}
certfile {certificate}
keyfile {key}
require_certificate true
use_identity_as_username true
listener {self.open_port} 127.0.0.1
allow_anonymous true
""")
        self._process = subprocess.Popen([MOSQUITTO, "-c", folder / "broker.conf"], stderr=subprocess.DEVNULL)
        wait_until(lambda: answers(self.open_port) and answers(self.port))

    def close(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def answers(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path, "ours")


@pytest.fixture
def secure(tmp_path, authority):
    if MOSQUITTO is None:
        pytest.skip("no mosquitto on this machine")
    broker = Broker(tmp_path, authority)
    yield broker
    broker.close()


def tls(ca: Path, certificate: Path, key: Path) -> str:
    return f'tls = {{ ca = "{ca}", certificate = "{certificate}", key = "{key}" }}'


def test_readings_are_sent_over_tls_with_the_certificate_of_the_node(node, start_gateway, secure, authority):
    gateway = start_gateway(secure.open_port)
    node.write_config(secure.port, SIMULATED, broker=tls(authority.path, *authority.issue(node.id)))
    process = node.start()
    wait_until(lambda: len(gateway.values()) > 40)
    assert stop(process).splitlines()[-1] == "piekwacht-agent: 0 batches remain in the spool"
    assert sorted(gateway.values()) == sorted(node.read_generated_values())


@pytest.mark.parametrize("fault", ["foreign broker", "foreign node", "expired node", "no tls"])
def test_with_a_wrong_certificate_nothing_is_sent_and_nothing_is_lost(tmp_path, node, start_gateway, secure, fault):
    gateway = start_gateway(secure.open_port)
    authority, foreign = secure.authority, Authority(tmp_path, "foreign")
    ours = authority.issue(node.id, days=-1 if fault == "expired node" else 30)
    files = (foreign.path if fault == "foreign broker" else authority.path, *ours)
    if fault == "foreign node":
        files = (authority.path, *foreign.issue(node.id))
    node.write_config(
        secure.port, SIMULATED, batch="drain_seconds = 0.2", broker="" if fault == "no tls" else tls(*files)
    )
    process = node.start()
    wait_until(lambda: node.generated.exists() and len(node.read_generated_values()) > 20)
    time.sleep(0.5)
    last = stop(process).splitlines()[-1]
    assert not gateway.batches
    assert int(last.split()[1]) >= 1


def test_an_error_names_files_that_do_not_match(tmp_path, node, authority):
    (_, key), (certificate, _) = authority.issue("other"), authority.issue(node.id)
    node.write_config(1, SIMULATED, broker=tls(authority.path, certificate, key))
    process = node.start()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert errors.startswith("piekwacht-agent: broker.tls: ")
    assert len(errors.splitlines()) == 1
    node.write_config(1, SIMULATED, broker=tls(tmp_path / "nowhere.pem", certificate, key))
    process = node.start()
    _, errors = process.communicate(timeout=10)
    assert process.returncode == 2
    assert "nowhere.pem is not there; copy it from the node's bundle" in errors
