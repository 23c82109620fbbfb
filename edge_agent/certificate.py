"""When a certificate ends. Pure.

The one date that the agent reports of its certificate. A library for X.509 would take a fifth of the agent's memory for
it. Source of the structure: RFC 5280, section 4.1; of its encoding: X.690.
"""

import ssl
from datetime import UTC, datetime

_SEQUENCE, _UTC_TIME, _GENERALIZED_TIME, _VERSION = 0x30, 0x17, 0x18, 0xA0
_FIELDS_BEFORE_VALIDITY = 3  # serial number, signature algorithm, issuer


def read_end(pem: str) -> datetime:
    """Return `notAfter` of the first certificate in a PEM file. Raises ValueError for anything else."""
    begin = pem.find(ssl.PEM_HEADER)
    end = pem.find(ssl.PEM_FOOTER, begin) + len(ssl.PEM_FOOTER)
    try:
        certificate = _read_content(ssl.PEM_cert_to_DER_cert(pem[begin:end]), _SEQUENCE)[0]
        fields = _read_content(certificate, _SEQUENCE)[0]
        if fields[:1] == bytes([_VERSION]):
            fields = _skip(fields)
        for _ in range(_FIELDS_BEFORE_VALIDITY):
            fields = _skip(fields)
        validity = _read_content(fields, _SEQUENCE)[0]
        return _read_time(_skip(validity))
    except IndexError:
        raise ValueError("the certificate ends before its date of expiry does") from None


def _read_content(data: bytes, tag: int) -> tuple[bytes, bytes]:
    """Return the content of the first element, which must have this tag, and what follows it."""
    if data[0] != tag:
        raise ValueError(f"not a certificate: {data[0]:#x} in place of {tag:#x}")
    length, begin = data[1], 2
    if length & 0x80:
        size = length & 0x7F
        length, begin = int.from_bytes(data[2 : 2 + size], "big"), 2 + size
    return data[begin : begin + length], data[begin + length :]


def _skip(data: bytes) -> bytes:
    """Return what follows the first element."""
    return _read_content(data, data[0])[1]


def _read_time(data: bytes) -> datetime:
    """Return the time in the first element. A year of two digits is of 1950 to 2049."""
    tag = data[0]
    if tag not in {_UTC_TIME, _GENERALIZED_TIME}:
        raise ValueError(f"not a time: {tag:#x}")
    text = _read_content(data, tag)[0].decode("ascii")
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC)
