"""The end of a certificate is what a library reads in it; other files raise ValueError and nothing else."""

import contextlib
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.certificate import read_end

KEY = ec.generate_private_key(ec.SECP256R1())


def make_certificate(end, name="ijm-001"):
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(KEY.public_key())
    builder = builder.serial_number(x509.random_serial_number())
    signed = builder.not_valid_before(end - timedelta(days=1)).not_valid_after(end).sign(KEY, hashes.SHA256())
    return signed.public_bytes(Encoding.PEM).decode()


PEM = make_certificate(datetime(2030, 5, 6, tzinfo=UTC))


@given(st.integers(-600_000_000, 5_680_000_000), st.integers(1, 60))
def test_the_end_is_read_as_a_library_reads_it(end, length):
    pem = make_certificate(datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=end), "n" * length)
    assert read_end(pem) == x509.load_pem_x509_certificate(pem.encode()).not_valid_after_utc


def test_the_first_certificate_of_a_chain_counts_and_text_before_it_does_not():
    first, second = datetime(2030, 5, 6, 7, 8, 9, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
    chain = "subject: a node\n" + make_certificate(first) + make_certificate(second)
    assert read_end(chain) == first


@pytest.mark.parametrize(
    "text", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"]
)
def test_another_file_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"\w"):
        read_end(text)


@given(st.floats(0, 1), st.integers(32, 126))
def test_a_damaged_certificate_is_read_or_is_a_value_error(place, byte):
    pem = bytearray(PEM.encode())
    pem[27 + int(place * (len(pem) - 54))] = byte
    with contextlib.suppress(ValueError):
        assert read_end(pem.decode()).tzinfo is UTC
