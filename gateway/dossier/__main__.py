"""The child process of `gateway.dossier.worker`: reads a job from standard input, writes the file to standard output.

Ends with code 1 and one sentence on standard error if the dossier cannot be made.
"""

import asyncio
import sys

import msgspec

from gateway.api.inspector.dossiers import DossierFile
from gateway.dossier.build import build_dossier, open_source
from gateway.dossier.worker import decode_job
from gateway.errors import GatewayError


def main() -> int:
    """Make one dossier; return the exit code."""
    job = decode_job(sys.stdin.buffer.read())
    try:
        dossier = asyncio.run(build_dossier(job.dsn, job.request, job.publisher, open_source(job.public_log)))
    except GatewayError as error:
        print(error, file=sys.stderr)
        return 1
    file = DossierFile(file_name=dossier.file_name, content=dossier.content)
    sys.stdout.buffer.write(msgspec.msgpack.encode(file))
    sys.stdout.buffer.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
