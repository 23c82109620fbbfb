"""A log line is one line, whatever strangers put into its values; a traceback follows below it."""

import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.log import escape_unprintable, get_logger
from gateway.system.logging_setup import LogFormat, LogSettings, configure_logging

FORGED = "x\n2026-11-21T11:00:00Z INFO gateway.ingest: ingest started\x1b[2J\u202e\u2028\x85\x00"


@pytest.fixture
def write(monkeypatch):
    """Configures the log in a format, as a process does, and returns the output of a call."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def write(log_format, call):
        root.handlers.clear()
        stream = io.StringIO()
        monkeypatch.setattr("sys.stderr", stream)
        configure_logging(LogSettings(format=log_format))
        call(get_logger("gateway.attack"))
        return stream.getvalue()

    yield write
    root.handlers[:], root.level = handlers, level


@pytest.mark.parametrize("log_format", LogFormat)
def test_a_hostile_value_stays_on_its_log_line(write, log_format):
    output = write(log_format, lambda log: log.warning("payload quarantined", topic=FORGED, detail=FORGED))
    assert output.count("\n") == 1
    assert output[:-1].isprintable() or log_format is LogFormat.JSON
    assert all(c >= " " and c != "\x7f" for c in output[:-1])
    if log_format is LogFormat.JSON:
        assert json.loads(output)["topic"] == FORGED


def test_an_exception_keeps_its_lines_and_loses_its_control_characters(write):
    def call(log):
        try:
            int(FORGED)
        except ValueError:
            log.exception("query failed", error=FORGED)

    lines = write(LogFormat.TEXT, call).splitlines()
    assert len(lines) > 3
    assert all(line.isprintable() for line in lines)


@given(st.text())
def test_escaped_text_is_printable_and_printable_text_is_unchanged(text):
    escaped = escape_unprintable(text)
    assert escaped.isprintable()
    assert escaped == text or not text.isprintable()
