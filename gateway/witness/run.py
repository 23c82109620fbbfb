"""Runs a witness until SIGTERM or SIGINT."""

import asyncio
import contextlib
import logging
import signal

from gateway.transparency.add_checkpoint import MAX_BODY_BYTES
from gateway.transparency.cosignature import WitnessKey
from gateway.witness.errors import WitnessError
from gateway.witness.http_server import HttpLimits, HttpServer
from gateway.witness.service import WitnessService
from gateway.witness.settings import WitnessSettings, read_logs, read_signer
from gateway.witness.state import WitnessState

_LOG = logging.getLogger("gateway.witness")


def run_witness(settings: WitnessSettings) -> None:
    """Serve until a signal. Raises ConfigurationError, or WitnessError with the remedy."""
    signer, logs = read_signer(settings.key_file), read_logs(settings)
    limits = HttpLimits(body_bytes=MAX_BODY_BYTES, requests_per_minute=settings.requests_per_minute)
    with WitnessState(settings.state_path, str(WitnessKey.of(signer))) as state:
        server = HttpServer(WitnessService(signer, logs, state).respond, limits)
        try:
            asyncio.run(_serve(server, settings))
        except OSError as error:
            sentence = (
                f"cannot listen on {settings.host}:{settings.port} ({error.strerror}): choose another host or port"
            )
            raise WitnessError(sentence) from None


async def _serve(server: HttpServer, settings: WitnessSettings) -> None:
    task = asyncio.create_task(server.run(settings.host, settings.port, _log_start))
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _log_start(host: str, port: int) -> None:
    _LOG.info("witness listens", extra={"host": host, "port": port})
