"""WeasyPrint in a process beside this one: it loads while this process reads the database.

To load WeasyPrint and to lay out the first page takes a third of the time of a dossier. `PdfProcess` does both on
another core. The command `piekwacht dossier` and the child that makes the dossiers of the API use it. The bytes are
those of `gateway.documents.pdf.write_pdf`.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Self

import msgspec
from msgspec import Struct

from gateway.documents.errors import DocumentError
from gateway.documents.pdf import EmbeddedFile, write_pdf
from gateway.documents.style import DOCUMENT_CSS
from gateway.documents.worker import LENGTH_BYTES, DocumentAnswer, answer_jobs
from gateway.system.child_process import make_parent_death_hook

_WARM_UP = (
    f"<html lang=nl><title>-</title><style>{DOCUMENT_CSS}</style><table><tr><th>-<td>0</table><p><b>-</b> <i>-</i>"
)


class PdfJob(Struct, frozen=True, kw_only=True):
    """Arguments of `write_pdf`."""

    html: str
    embedded: Sequence[EmbeddedFile]
    at: datetime


class PdfProcess:
    """A process that lays out PDFs, one after the other. A context manager: its exit ends the process."""

    def __init__(self) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__
        self._process = self._start()

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "gateway.documents.pdf_process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            preexec_fn=make_parent_death_hook(os.getpid()),  # noqa: PLW1509 - one prctl, no lock is taken
        )

    def write(self, html: str, embedded: Sequence[EmbeddedFile], at: datetime) -> bytes:
        """Return the PDF, as `write_pdf` does. Raises DocumentError if Pango is missing or the process ends.

        The next call starts another process.
        """
        if self._process.poll() is not None:
            self._end()
            self._process = self._start()
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise DocumentError("the program that lays out pages has no pipes")
        job = msgspec.msgpack.encode(PdfJob(html=html, embedded=embedded, at=at))
        with suppress(OSError):  # it has ended: the answer below is missing, too
            stdin.write(len(job).to_bytes(LENGTH_BYTES, "big") + job)
            stdin.flush()
        length = int.from_bytes(stdout.read(LENGTH_BYTES), "big")
        content = stdout.read(length)
        if not content or len(content) < length:
            raise DocumentError(self._describe_end())
        answer = msgspec.msgpack.decode(content, type=DocumentAnswer)
        if answer.error:
            raise DocumentError(answer.error)
        return answer.content

    def _describe_end(self) -> str:
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else f"the program that lays out pages ended with {code}"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()
        self._errors.close()

    def _end(self) -> None:
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # a job in the buffer of an ended process
                    pipe.close()
        self._process.wait()


def _warm_up() -> None:
    """Lay out one page: it loads Pango, the fonts and the style sheets, and compiles what WeasyPrint compiles once."""
    with suppress(DocumentError):  # the first job states it
        write_pdf(_WARM_UP, [], datetime(2000, 1, 1, tzinfo=UTC))


def _make(content: bytes) -> DocumentAnswer:
    job = msgspec.msgpack.decode(content, type=PdfJob)
    return DocumentAnswer(content=write_pdf(job.html, job.embedded, job.at))


if __name__ == "__main__":
    _warm_up()
    sys.exit(answer_jobs(_make))
