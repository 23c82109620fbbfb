"""The child process of `gateway.dossier.worker`: reads jobs from standard input, writes dossiers to standard output."""

import asyncio
import sys

from gateway.documents.worker import DocumentAnswer, answer_jobs
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.worker import decode_job


def _make(content: bytes) -> DocumentAnswer:
    job = decode_job(content)
    dossier = asyncio.run(build_dossier(job.dsn, job.request, job.publisher, open_source(job.public_log)))
    return DocumentAnswer(file_name=dossier.file_name, content=dossier.content)


if __name__ == "__main__":
    sys.exit(answer_jobs(_make))
