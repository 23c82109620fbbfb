"""Ed25519 keys that prove nothing. Pure.

RFC 8032 leaves two things open, and this project decides them as libsodium does, which the gateway uses:

* A key of small order (eight points) has signatures that fit every text. It is refused.
* A key whose y coordinate is written as a number of 2**255 - 19 or more has a second form. It is refused.

The equation is checked without the cofactor, as OpenSSL and libsodium do. A signature whose S is not below the order
of the group is refused by both: it would be a second signature of the same text.
"""

_FIELD = 2**255 - 19
_SMALL_ORDER = frozenset(
    {
        0,
        1,
        _FIELD - 1,
        0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
        0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
    }
)
"""y coordinates of the points whose order divides 8."""


def is_weak_key(public: bytes) -> bool:
    """Whether a key (32 bytes) has a small order or is not written in its only form."""
    y = int.from_bytes(public, "little") & (2**255 - 1)
    return y >= _FIELD or y in _SMALL_ORDER
