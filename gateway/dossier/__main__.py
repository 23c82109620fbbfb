"""The child process of `gateway.dossier.worker`: reads jobs from standard input, writes dossiers to standard output."""

import asyncio
import sys
from functools import partial

from gateway.documents.pdf_process import PdfProcess
from gateway.documents.worker import DocumentAnswer, answer_jobs
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.worker import decode_job


def _make(pdf: PdfProcess, content: bytes) -> DocumentAnswer:
    job = decode_job(content)
    source = open_source(job.public_log)
    dossier = asyncio.run(build_dossier(job.dsn, job.request, job.publisher, source, make_pdf=pdf.write))
    return DocumentAnswer(file_name=dossier.file_name, content=dossier.content)


if __name__ == "__main__":
    with PdfProcess() as process:
        sys.exit(answer_jobs(partial(_make, process)))
