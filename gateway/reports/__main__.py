"""The child process of `gateway.reports.worker`: reads jobs from standard input, writes reports to standard output."""

import asyncio
import sys

import msgspec

from gateway.documents.worker import DocumentAnswer, answer_jobs
from gateway.reports.build import build_report
from gateway.reports.worker import ReportJob


def _make(content: bytes) -> DocumentAnswer:
    job = msgspec.json.decode(content, type=ReportJob)
    report = asyncio.run(build_report(job.dsn, job.request, job.publisher))
    if job.is_pdf:
        return DocumentAnswer(file_name=f"{report.file_stem}.pdf", content=report.to_pdf())
    return DocumentAnswer(file_name=f"{report.file_stem}.html", content=report.html.encode())


if __name__ == "__main__":
    sys.exit(answer_jobs(_make))
