"""The rules for prose: which sentences they report, and at which line of the source."""

import pytest

from tests.textlint.__main__ import NotRunError, lint
from tests.textlint.extract import markdown

SOURCE = '''"""What the module does is told here.

Formulas are no prose:

    S_t = max(0, S_(t-1) + x_t - k)

Who asks more often gets 429.
"""

LIMIT = 3  # noqa: PLR2004 - it is kept for ever
# de deur is open: het bericht wordt door de server verstuurd, zoals "door" hier


def words():
    """Return `told`, `kept` and the rest: e.g. `Sensor.words`.

    What is the limit? """
'''


def test_a_comment_keeps_its_line_and_its_reason():
    text, numbers = markdown(SOURCE)
    lines = dict(zip(numbers, text, strict=True))
    assert lines[1] == "What the module does is told here."
    assert lines[10] == "it is kept for ever"
    assert lines[7] == "Who asks more often gets 429."
    assert 5 not in lines


def test_each_row_of_a_table_of_names_is_a_paragraph():
    text, _ = markdown(
        '"""Settings.\n\nport      port of the broker\ntimeout   time to wait,\n          in seconds\n"""'
    )
    assert text == [
        "Settings.",
        "",
        "",
        "port      port of the broker",
        "",
        "timeout   time to wait,",
        "in seconds",
        "",
        "",
    ]


@pytest.mark.slow
def test_findings_name_the_line_of_the_source(tmp_path):
    (tmp_path / "module.py").write_text(SOURCE)
    long = " ".join(["The gateway stores a batch of readings and"] * 4)
    (tmp_path / "page.md").write_text(
        f"# What is in here\n\n**What this costs.** Little.\n\n{long} ends.\n\n"
        f"| a | b |\n|---|---|\n| {long} | told |\n"
    )
    try:
        findings = lint(tmp_path, ["module.py", "page.md"])
    except NotRunError as error:
        pytest.skip(str(error))
    assert [(finding.path, finding.line, finding.message.split('"')[1]) for finding in findings] == [
        ("module.py", 1, "What"),
        ("module.py", 1, "told"),
        ("module.py", 7, "Who"),
        ("module.py", 10, "for ever"),
        ("module.py", 10, "kept"),
        ("page.md", 5, long[:40].strip() + "..."),
        ("page.md", 9, "told"),
    ]
