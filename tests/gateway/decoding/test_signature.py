"""libsodium and OpenSSL agree on what is signed, so that a gateway may use the one and a node the other."""

from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import Signer
from gateway.decoding.signature import is_valid_signature, make_sign_function

SIGNER = Signer.generate("ijm-001")
SIGN = make_sign_function(SIGNER.private.private_bytes_raw())


@given(st.binary(max_size=300))
def test_both_make_the_same_note(text):
    note = SIGNER.sign(text + b"\n", SIGN)
    assert note == SIGNER.sign(text + b"\n")
    assert SIGNER.verifier.open(note) == SIGNER.verifier.open(note, is_valid_signature) == text + b"\n"


@given(st.binary(max_size=300), st.integers(0, 63), st.integers(1, 255))
def test_neither_takes_a_signature_with_another_byte(text, place, change):
    signature = bytearray(SIGN(text))
    signature[place] ^= change
    assert not is_valid_signature(SIGNER.verifier.public, bytes(signature), text)
