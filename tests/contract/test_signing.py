"""Signed notes: we and other implementations verify the notes of each other, and no changed note is valid."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.signing import ForgedError, NoteError, Signer, UnsignedError, Verifier, split_note

# The example in the documentation of Go's golang.org/x/mod/sumdb/note, the form's first implementation.
TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
VERIFIER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PRIVATE = "PRIVATE+KEY+PeterNeumann+c74f20a3+AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
NOTE = TEXT + f"\n— PeterNeumann {SIGNATURE}\n".encode()

SIGNER = Signer.generate("ijm-001")


def test_a_note_signed_by_go_opens():
    assert Verifier.parse(VERIFIER).open(NOTE) == TEXT


def test_we_sign_byte_for_byte_as_go_does():
    assert Signer.parse(PRIVATE).sign(TEXT) == NOTE


def test_keys_are_written_as_they_are_read():
    assert str(Verifier.parse(VERIFIER)) == VERIFIER
    assert Signer.parse(PRIVATE).export() == PRIVATE
    assert str(Signer.parse(PRIVATE).verifier) == VERIFIER


def test_a_private_key_never_shows_itself():
    secret = PRIVATE.rsplit("+", 1)[1]
    assert secret not in repr(Signer.parse(PRIVATE)) + str(Signer.parse(PRIVATE))
    for broken in (PRIVATE[:-4], PRIVATE.replace("c74f20a3", "00000000"), "PRIVATE+KEY+x"):
        with pytest.raises(NoteError) as raised:
            Signer.parse(broken)
        assert secret[:20] not in str(raised.value)


@given(st.text().filter(lambda text: "\ud800" not in text))
def test_a_signed_text_opens_to_the_same_text(text):
    body = text.encode("utf-8", "ignore") + b"\n"
    assert SIGNER.verifier.open(SIGNER.sign(body)) == body


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_byte_anywhere_is_detected(place, change):
    note = bytearray(SIGNER.sign(b'{"v":1,"node":"ijm-001"}\n'))
    note[place % len(note)] ^= change
    with pytest.raises(NoteError):
        SIGNER.verifier.open(bytes(note))


def test_a_signature_is_written_in_one_way_only():
    """Its base64 ends in two bits that stand for nothing."""
    note = SIGNER.sign(b"x\n")
    last = note.rstrip(b"=\n")[-1:]
    letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = letters[letters.index(last) ^ 1 :][:1]
    with pytest.raises(NoteError, match="bits beyond"):
        SIGNER.verifier.open(note.replace(last + b"=\n", other + b"=\n"))


def test_a_signature_by_another_key_of_the_same_name_is_no_signature():
    with pytest.raises(UnsignedError):
        SIGNER.verifier.open(Signer.generate("ijm-001").sign(b"x\n"))


def test_a_copied_key_id_does_not_make_a_signature_valid():
    note = Signer.generate("ijm-001").sign(b"x\n")
    line = note.rsplit(b" ", 1)
    blob = SIGNER.verifier.key_id + base64.b64decode(line[1])[4:]
    with pytest.raises(ForgedError):
        SIGNER.verifier.open(line[0] + b" " + base64.b64encode(blob) + b"\n")


def test_a_note_may_carry_signatures_of_others():
    other = Signer.generate("witness")
    note = SIGNER.sign(b"x\n") + other.sign(b"x\n").split(b"\n\n")[1]
    assert SIGNER.verifier.open(note) == other.verifier.open(note) == b"x\n"


@given(st.binary())
def test_reading_a_note_raises_nothing_but_note_error(note):
    for body in (note, note + b"\n\n" + "— ".encode() + note):
        try:
            split_note(body)
            SIGNER.verifier.open(body)
        except NoteError:
            continue


@given(st.text())
def test_reading_a_key_raises_nothing_but_note_error(text):
    for kind, start in ((Verifier, ""), (Verifier, "a+00000000+"), (Signer, "PRIVATE+KEY+a+00000000+")):
        with pytest.raises(NoteError):
            kind.parse(start + text)


def test_a_text_without_its_newline_cannot_be_signed():
    with pytest.raises(NoteError, match="newline"):
        SIGNER.sign(b"x")
