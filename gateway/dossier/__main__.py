"""The child process of `gateway.dossier.worker`: reads jobs from standard input, writes dossiers to standard output.

It ends when its input does. A dossier that cannot be made is an answer with one sentence.
"""

import asyncio
import gc
import sys

import msgspec

from gateway.api.inspector.dossiers import DossierFile
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.worker import LENGTH_BYTES, DossierAnswer, DossierJob, decode_job
from gateway.errors import GatewayError


def main() -> int:
    """Answer every job; return the exit code."""
    gc.freeze()
    while length := sys.stdin.buffer.read(LENGTH_BYTES):
        job = decode_job(sys.stdin.buffer.read(int.from_bytes(length, "big")))
        gc.disable()  # a dossier is a million objects that live until its end
        answer = msgspec.msgpack.encode(_make(job))
        sys.stdout.buffer.write(len(answer).to_bytes(LENGTH_BYTES, "big") + answer)
        sys.stdout.buffer.flush()
        del answer
        gc.collect()
    return 0


def _make(job: DossierJob) -> DossierAnswer:
    try:
        dossier = asyncio.run(build_dossier(job.dsn, job.request, job.publisher, open_source(job.public_log)))
    except GatewayError as error:
        return DossierAnswer(error=str(error))
    return DossierAnswer(file=DossierFile(file_name=dossier.file_name, content=dossier.content))


if __name__ == "__main__":
    sys.exit(main())
