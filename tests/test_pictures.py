"""The pictures of the documents: each is shown somewhere, exists and is small."""

import re
from pathlib import Path

import pytest

from tests.pictures.list import PICTURES
from tests.pictures.picture import FOLDER, MAX_BYTES

REPOSITORY = Path(__file__).parents[1]
_REFERENCE = re.compile(r"\]\(([^)#\s]+\.(?:png|svg|jpg|webp))\)")


def list_documents():
    folders = (REPOSITORY.glob("*.md"), (REPOSITORY / "docs").rglob("*.md"))
    return sorted(path for paths in folders for path in paths)


def find_shown():
    """Pictures that documents show -> the documents."""
    shown = {}
    for document in list_documents():
        for reference in _REFERENCE.findall(document.read_text(encoding="utf-8")):
            shown.setdefault((document.parent / reference).resolve(), []).append(document.name)
    return shown


def test_every_picture_of_a_document_exists():
    missing = {str(path): documents for path, documents in find_shown().items() if not path.is_file()}
    assert not missing, f"run `make pictures`, or mend the reference: {missing}"


def test_every_picture_is_shown_by_a_document():
    files = {path.resolve() for path in FOLDER.rglob("*") if path.is_file()}
    assert not files - set(find_shown()), "remove the pictures, or show them in a document"


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.file)
def test_a_listed_picture_is_committed_and_small(picture):
    assert picture.path.is_file(), f'run `make pictures ARGS="{picture.file}"`'
    assert picture.path.stat().st_size <= MAX_BYTES


def test_no_two_rows_write_one_file():
    files = [picture.file for picture in PICTURES]
    assert len(files) == len(set(files))
