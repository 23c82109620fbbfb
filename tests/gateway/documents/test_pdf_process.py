"""The process that lays out pages gives the bytes of `write_pdf`, and states why it ends."""

import os
import re
import signal
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.documents.errors import DocumentError
from gateway.documents.pdf import EmbeddedFile, write_pdf
from gateway.documents.pdf_process import PdfProcess

AT = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
HTML = "<html lang=nl><title>Stof</title><body style='font-family: Dossier'><h1>Stof</h1><p>23,5 <b>µg/m³</b>"
FILES = [EmbeddedFile(name="event.json", content=b"{}", description="event", relationship="Data")]


def list_children():
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text().split()
    return {int(child) for child in children}


def test_the_child_process_writes_the_same_pdf_and_ends():
    before = list_children()
    with PdfProcess() as process:
        first, second = process.write(HTML, FILES, AT), process.write(HTML + "<p>2", [], AT)
    assert (first, second) == (write_pdf(HTML, FILES, AT), write_pdf(HTML + "<p>2", [], AT))
    assert re.search(rb"/EmbeddedFile", first)
    assert list_children() == before


def test_a_process_that_was_killed_is_named_and_the_next_call_starts_another():
    before = list_children()
    with PdfProcess() as process:
        (child,) = list_children() - before
        os.kill(child, signal.SIGSTOP)  # it has the job and does not answer
        threading.Timer(0.5, os.kill, [child, signal.SIGKILL]).start()
        with pytest.raises(DocumentError, match="the program that lays out pages ended with -9"):
            process.write(HTML, FILES, AT)
        assert process.write(HTML, [], AT) == write_pdf(HTML, [], AT)
    assert list_children() == before
