"""A short run of the noise of fuzz.py, and ZIP files that are made to harm."""

import io
import random
import zipfile

import pytest

from gateway.transparency.errors import ProofError
from gateway.verification import dossier_files
from gateway.verification.dossier_files import FolderFiles, ZipFiles
from gateway.verification.standalone import verify
from tests.gateway.verification import fuzz


def test_changed_evidence_is_never_true_and_both_verifiers_agree(world):
    fuzz.noise_to_evidence(random.Random(random.random()), 150, world)


def test_readers_of_the_formats_raise_nothing_but_their_error(world):
    fuzz.noise_to_formats(random.Random(random.random()), 3000, world)


def test_both_verifiers_accept_the_same_texts(world):
    fuzz.noise_to_both(random.Random(random.random()), 3000, world)


def test_a_changed_dossier_is_never_true(world):
    fuzz.noise_to_dossiers(random.Random(random.random()), 100, world)


def make_zip(*entries, compression=zipfile.ZIP_STORED, mode=0o100644):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in entries:
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = compression, mode << 16
            archive.writestr(info, content)
    return target.getvalue()


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "a//x", "C:/x", "a\\x", "./x", "a/./x", "x/", "\\\\server\\x"]
)
def test_a_name_that_leads_elsewhere_is_refused(name):
    if name.endswith("/"):
        assert ZipFiles(make_zip((name, b""), ("a", b"1"))).names() == ["a"]
    else:
        with pytest.raises(ProofError, match="leads elsewhere"):
            ZipFiles(make_zip((name, b"")))


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["data/x", "DATA/X"])
def test_a_name_that_stands_twice_is_refused(second):
    with pytest.raises(ProofError, match="twice"):
        ZipFiles(make_zip(("data/x", b"1"), (second, b"2")))


def test_an_empty_name_is_refused():
    content = make_zip(("x", b"1"))
    position = content.rindex(b"PK\x01\x02")
    nameless = bytearray(content[:position] + content[position:].replace(b"x", b"", 1))
    nameless[position + 28 : position + 30] = b"\0\0"
    nameless[-10:-6] = (int.from_bytes(content[-10:-6], "little") - 1).to_bytes(4, "little")
    with pytest.raises(ProofError, match="leads elsewhere"):
        ZipFiles(bytes(nameless))


def test_a_link_is_refused():
    with pytest.raises(ProofError, match="is a link"):
        ZipFiles(make_zip(("x", b"/etc/passwd"), mode=0o120777))


def test_other_ways_of_packing_are_refused():
    with pytest.raises(ProofError, match="another way"):
        ZipFiles(make_zip(("x", b"1" * 100), compression=zipfile.ZIP_BZIP2))


def test_a_bomb_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(dossier_files, "MAX_TOTAL_BYTES", 1_000_000)
    bomb = make_zip(("x", b"\0" * 1_000_001), compression=zipfile.ZIP_DEFLATED)
    assert len(bomb) < 2000
    with pytest.raises(ProofError, match="more than"):
        ZipFiles(bomb)


def test_an_entry_longer_than_its_stated_size_is_refused():
    """The directory states 10 bytes; the packed content has 1,000,000."""
    content = bytearray(make_zip(("x", b"\0" * 1_000_000), compression=zipfile.ZIP_DEFLATED))
    small = (10).to_bytes(4, "little")
    directory = content.rindex(b"PK\x01\x02")
    content[directory + 24 : directory + 28] = small
    content[22:26] = small
    files = ZipFiles(bytes(content))
    with pytest.raises(ProofError, match=r"cannot be read|longer"):
        files.read("x")


def test_a_long_directory_is_refused_before_it_is_read(monkeypatch):
    monkeypatch.setattr(dossier_files, "MAX_DIRECTORY_BYTES", 100)
    with pytest.raises(ProofError, match="directory of the ZIP is too long"):
        ZipFiles(make_zip(("x", b""), ("y", b""), ("z", b"")))


@pytest.mark.parametrize("content", [b"", b"PK", make_zip(("x", b"1"))[:-1], make_zip(("x", b"1")) + b"more"])
def test_a_file_without_the_end_of_a_zip_is_refused(content):
    with pytest.raises(ProofError, match="does not end in its directory"):
        ZipFiles(content)


def test_a_damaged_entry_is_named():
    content = make_zip(("x", b"text" * 100), compression=zipfile.ZIP_STORED)
    files = ZipFiles(content.replace(b"text", b"tex_", 1))
    with pytest.raises(ProofError, match="cannot be read"):
        files.read("x")


def test_a_link_in_a_folder_is_refused(tmp_path):
    for target in ("/etc/passwd", "/etc"):
        (tmp_path / "x").symlink_to(target)
        with pytest.raises(ProofError, match="no regular file"):
            FolderFiles(tmp_path)
        [step] = verify.check_folder(tmp_path, verify.Checker())
        assert (step.state, step.reason) == ("false", "x is no regular file")
        (tmp_path / "x").unlink()


def test_a_file_that_is_too_long_is_refused(tmp_path, monkeypatch):
    (tmp_path / "x").write_bytes(b"12345")
    monkeypatch.setattr(dossier_files, "MAX_FILE_BYTES", 4)
    with pytest.raises(ProofError, match="more than 4 bytes"):
        FolderFiles(tmp_path).hash("x")
    monkeypatch.setattr(dossier_files, "MAX_FILES", 0)
    with pytest.raises(ProofError, match="more than 0 files"):
        FolderFiles(tmp_path)


def test_a_changed_detection_file_ends_in_steps_and_is_never_true(world):
    fuzz.noise_to_detections(random.Random(random.random()), 150, world)
