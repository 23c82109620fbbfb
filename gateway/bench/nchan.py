"""The same viewers before nginx with nchan, a server that does nothing else: what ours is compared with."""

import asyncio
import getpass
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

import uvloop
from msgspec import json

from gateway.api.data.latest_values import Window
from gateway.api.schemas.observations import live_value
from gateway.bench.viewers import Crowd, commit, measure
from gateway.errors import StartError
from gateway.system.child_process import answers, free_port

_PLACES = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_MODULES = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
_SETTINGS = """
load_module {module};
user {user};
pid {folder}/nginx.pid;
worker_processes 1;
worker_rlimit_nofile {files};
error_log {folder}/error.log crit;
events {{ worker_connections {files}; }}
http {{
    access_log off;
    nchan_shared_memory_size 1g;
    client_body_temp_path {folder}/body;
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /publish {{ nchan_publisher; nchan_channel_id live; nchan_message_buffer_length 5; }}
        location = /live {{
            nchan_subscriber eventsource;
            nchan_channel_id live;
            nchan_subscriber_first_message newest;
        }}
    }}
}}
"""


def run(viewers: int, seconds: int) -> dict[str, float] | None:
    """The same figures; None where nginx or its module is not installed."""
    program = shutil.which("nginx", path=_PLACES)
    module = next((one for folder in _MODULES for one in folder.glob("*nchan_module.so")), None)
    if program is None or module is None:
        return None
    with tempfile.TemporaryDirectory(prefix="piekwacht-nchan-") as folder:
        port, path = free_port(), Path(folder) / "nginx.conf"
        path.write_text(
            _SETTINGS.format(module=module, user=getpass.getuser(), folder=folder, port=port, files=2 * viewers + 1_000)
        )
        command = [program, "-e", f"{folder}/error.log", "-c", str(path), "-g", "daemon off;"]
        server = subprocess.Popen(command)  # noqa: S603 - our own settings
        try:
            while not answers("127.0.0.1", port) or not _workers(server.pid):
                if server.poll() is not None:
                    raise StartError(
                        f"bench live: nginx does not start: {(Path(folder) / 'error.log').read_text()[-300:]}"
                    )
                time.sleep(0.05)
            return uvloop.run(_measured(viewers, seconds, port, _workers(server.pid)[0]))
        finally:
            server.terminate()
            server.wait(10)


def _workers(master: int) -> list[int]:
    """The one process that serves, once it is there."""
    children = Path(f"/proc/{master}/task/{master}/children")
    return [int(one) for one in children.read_text().split()] if children.exists() else []


async def _measured(viewers: int, seconds: int, port: int, pid: int) -> dict[str, float]:
    request = b"GET /live HTTP/1.1\r\nHost: here\r\nAccept: text/event-stream\r\n\r\n"
    crowd = Crowd(port, request, _number)

    async def publish(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = _frame(number)
        writer.write(b"POST /publish HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await reader.read()
        writer.close()

    return await measure(crowd, viewers, seconds, pid, publish)


def _frame(number: int) -> bytes:
    """What our own feed says of the same commit, with its number before it."""
    values = [
        live_value(one.station, one.observed_property, Window("ug/m3", one.readings()).minute)
        for one in commit(number).observations
    ]
    return b"<%d>" % number + json.encode(values)


def _number(frame: bytes) -> int:
    found = re.search(rb"<([0-9]+)>", frame)
    return 0 if found is None else int(found[1])
