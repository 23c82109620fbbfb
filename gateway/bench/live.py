"""`piekwacht bench live`: many viewers of one live feed, on this machine, through the public API.

The server is a separate process with a real broker. Each second brings a commit of a station's ten properties, and at
times an event. Each viewer is a bare connection that records when the last byte of each frame arrived. Client and
server share the machine, so the figures are an upper bound. CPU is that of the server. Memory is its growth over the
server without viewers, without the kernel buffers of its sockets. If nginx with nchan is installed, `nchan` has the
same figures for it, with the same bytes.
"""

import json
import multiprocessing
import resource
import tempfile
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import uvloop

from gateway.api.app import serve
from gateway.api.settings import ApiSettings
from gateway.bench import nchan
from gateway.bench.viewers import ViewerGroup, build_message, measure_viewers
from gateway.errors import StartError
from gateway.mqtt.client import create_client
from gateway.mqtt.settings import BrokerSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import find_free_port, is_port_open
from gateway.system.embedded_servers import Broker, Postgres


def run(viewers: int, seconds: int) -> None:
    """Print a line of JSON with `viewers`, `p50_seconds`, `p99_seconds`, `kib_per_viewer`, `cpu_percent`, `nchan`."""
    if viewers < 1 or seconds < 2:
        raise StartError("bench live: --viewers must be at least 1 and --seconds at least 2")
    _raise_file_limit(viewers + 500)
    with tempfile.TemporaryDirectory(prefix="piekwacht-bench-") as folder:
        Path(folder).chmod(0o711)
        with Postgres(Path(folder)) as database, Broker(Path(folder) / "broker") as broker:
            dsn = database.create_database("bench")
            migrate(dsn)
            port = find_free_port()
            settings = ApiSettings(port=port, max_viewers=viewers + 10, max_viewers_per_address=viewers + 10)
            server = multiprocessing.get_context("spawn").Process(
                target=_serve, args=(settings, dsn, broker.settings), daemon=True
            )
            server.start()
            try:
                while not is_port_open("127.0.0.1", port):
                    time.sleep(0.05)
                figures: dict[str, object] = dict(
                    uvloop.run(_measure_gateway(viewers, seconds, port, broker.settings, server))
                )
            finally:
                server.terminate()
                server.join(10)
    nchan_figures = nchan.run(viewers, seconds)
    if nchan_figures is not None:
        figures = {**figures, "nchan": nchan_figures}
    print(json.dumps(figures), flush=True)  # noqa: T201 - a command prints


def _serve(settings: ApiSettings, dsn: str, broker: BrokerSettings) -> None:
    _raise_file_limit(settings.max_viewers + 200)
    uvloop.run(serve(settings, dsn, broker))


def _raise_file_limit(needed: int) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise StartError(f"bench live: {needed} open files are needed and {hard} allowed: ulimit -n {needed}")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


async def _measure_gateway(
    viewers: int, seconds: int, port: int, broker: BrokerSettings, server: BaseProcess
) -> dict[str, float]:
    viewer_group = ViewerGroup(port, b"GET /api/v1/live HTTP/1.1\r\nHost: here\r\n\r\n", _frame_number)
    async with create_client(broker, "bench") as publisher:

        async def publish(number: int) -> None:
            await publisher.publish("pw/v1/ijmond/live", build_message(number).encode())

        return await measure_viewers(viewer_group, viewers, seconds, server.pid or 0, publish)


def _frame_number(frame: bytes) -> int:
    return int(frame[4 : frame.index(b"\n")]) if frame.startswith(b"id: ") else 0
