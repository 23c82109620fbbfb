"""libsodium and OpenSSL make the same signatures, so that the gateway may use one and nodes the other."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Signer
from gateway.decoding.signature import is_valid_signature, make_sign_function

SIGNER = Signer.generate("ijm-001")
SIGN = make_sign_function(SIGNER.private.private_bytes_raw())


@given(st.binary(max_size=300))
def test_libsodium_and_openssl_make_the_same_note(text):
    note = SIGNER.sign(text + b"\n", SIGN)
    assert note == SIGNER.sign(text + b"\n")
    assert SIGNER.verifier.open(note) == SIGNER.verifier.open(note, is_valid_signature) == text + b"\n"


@given(st.binary(max_size=300), st.integers(0, 63), st.integers(1, 255))
def test_a_changed_signature_is_not_valid(text, position, change):
    signature = bytearray(SIGN(text))
    signature[position] ^= change
    assert not is_valid_signature(SIGNER.verifier.public, bytes(signature), text)
