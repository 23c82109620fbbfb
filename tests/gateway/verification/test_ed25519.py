"""The pure Ed25519 of verify.py: the vectors of RFC 8032, `cryptography` as a judge, and keys that prove nothing."""

import random

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.decoding.signature import is_valid_signature
from gateway.verification.standalone import verify
from gateway.verification.weak_keys import is_weak_key

# RFC 8032, section 7.1: secret key, public key, message, signature
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
]
SMALL_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
SECOND_FORMS = [  # y of 2**255 - 19 and more: the points of y = 0 and y = 1 again
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_the_vectors_of_the_rfc(secret, public, message, signature):
    public, message, signature = map(bytes.fromhex, (public, message, signature))
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(secret)).sign(message) == signature
    assert verify.is_valid_pure(public, signature, message)
    assert not verify.is_valid_pure(public, signature, message + b"x")


def test_500_random_signatures_and_their_changes_are_judged_as_by_openssl_and_libsodium():
    noise = random.Random(8032)
    keys = [Ed25519PrivateKey.from_private_bytes(noise.randbytes(32)) for _ in range(10)]
    publics = [key.public_key().public_bytes_raw() for key in keys]
    for i in range(500):
        text = noise.randbytes(noise.randrange(200))
        signature = keys[i % 10].sign(text)
        assert verify.is_valid_pure(publics[i % 10], signature, text)
        changed = bytearray(signature)
        changed[noise.randrange(64)] ^= 1 << noise.randrange(8)
        for public, candidate in ((publics[i % 10], bytes(changed)), (publics[(i + 1) % 10], signature)):
            pure = verify.is_valid_pure(public, candidate, text)
            assert pure == verify.is_valid_fast(public, candidate, text) == is_valid_signature(public, candidate, text)
            assert not pure


def test_a_signature_with_a_scalar_beyond_the_order_is_no_second_signature():
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    public, signature = key.public_key().public_bytes_raw(), key.sign(b"text")
    second = signature[:32] + (int.from_bytes(signature[32:], "little") + verify.ORDER).to_bytes(32, "little")
    assert not verify.is_valid_pure(public, second, b"text")
    assert not verify.is_valid_fast(public, second, b"text")


@pytest.mark.parametrize("encoded", SMALL_ORDER + SECOND_FORMS)
def test_a_key_of_small_order_or_in_a_second_form_is_refused_by_both(encoded):
    """With such a key the signature (R = identity, S = 0) fits about one text in eight, or every text."""
    public = bytes.fromhex(encoded)
    assert is_weak_key(public)
    signature = (1).to_bytes(32, "little") + bytes(32)
    for number in range(16):
        assert not verify.is_valid(public, signature, bytes([number]))
    with pytest.raises(verify.ProofError):
        verify.read_key(public)


def test_openssl_alone_would_accept_a_key_of_small_order():
    """So the check is needed: OpenSSL takes this key as the signer of every text."""
    public, signature = bytes.fromhex(SMALL_ORDER[2]), (1).to_bytes(32, "little") + bytes(32)
    assert all(verify.is_valid_fast(public, signature, bytes([number])) for number in range(16))


def test_no_key_of_a_person_is_refused():
    noise = random.Random(25519)
    for _ in range(100):
        public = Ed25519PrivateKey.from_private_bytes(noise.randbytes(32)).public_key().public_bytes_raw()
        assert not is_weak_key(public)
        verify.read_key(public)


@pytest.mark.parametrize("length", [0, 32, 63, 65])
def test_a_signature_of_another_length_is_invalid(length):
    public = Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key().public_bytes_raw()
    assert not verify.is_valid_pure(public, bytes(length), b"text")
    assert not verify.is_valid_fast(public, bytes(length), b"text")
