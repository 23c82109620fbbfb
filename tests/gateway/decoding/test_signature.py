"""Our signatures are Ed25519 as OpenSSL makes and checks them, and the gateway's check agrees with the node's."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Signer
from gateway.decoding.signature import is_valid_signature

SIGNER = Signer.generate("ijm-001")
PUBLIC = SIGNER.verifier.public


@given(st.binary(max_size=300))
def test_openssl_makes_and_accepts_the_same_signature(text):
    signature = SIGNER.make_signature(text)
    assert signature == Ed25519PrivateKey.from_private_bytes(bytes(SIGNER.private)).sign(text)
    Ed25519PublicKey.from_public_bytes(PUBLIC).verify(signature, text)
    note = SIGNER.sign(text + b"\n")
    assert SIGNER.verifier.open(note) == SIGNER.verifier.open(note, is_valid_signature) == text + b"\n"


@given(st.binary(max_size=300), st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_is_not_valid(text, position, change):
    signature = bytearray(SIGNER.make_signature(text))
    signature[position] ^= change
    assert not is_valid_signature(PUBLIC, bytes(signature), text)


def test_a_private_key_is_shown_by_neither_str_nor_repr():
    secret = bytes(SIGNER.private)
    for text in (str(SIGNER), repr(SIGNER)):
        assert secret.hex() not in text
        assert repr(secret)[2:-1] not in text
