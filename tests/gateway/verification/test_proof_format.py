"""docs/proof-format.md: its examples are what the code makes, and it names every step and key."""

import re

from gateway.verification.evidence_file import EvidenceFile
from gateway.verification.standalone.verify import TEXTS
from tests.gateway.verification.format_examples import PAGE, fill_in, make_examples

_WITHOUT_A_ROW = {"verdict", "file", "reader_head", "evidence"}  # of inputs that cannot be read, and of what is missing


def test_the_examples_are_those_of_the_code():
    """If this fails: `python -m tests.gateway.verification.format_examples --write`."""
    page = PAGE.read_text(encoding="utf-8")
    assert fill_in(page) == page
    assert set(re.findall(r"<!-- example: (\w+) -->", page)) == set(make_examples())


def test_every_step_and_every_key_is_described():
    page = PAGE.read_text(encoding="utf-8")
    steps = {text.partition(".")[0] for text in TEXTS} - _WITHOUT_A_ROW
    assert [step for step in sorted(steps) if f"`{step}`" not in page] == []
    assert [name for name in EvidenceFile.__struct_fields__ if f"`{name}`" not in page and name != "format"] == []
