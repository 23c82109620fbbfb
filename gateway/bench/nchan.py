"""The same viewers on nginx with nchan, a dedicated push server: the peer of `bench live`."""

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

from gateway.api.data.minute_window import MinuteWindow
from gateway.api.schemas.observations import build_live_value
from gateway.bench.viewers import ViewerGroup, build_message, measure_viewers
from gateway.errors import StartError
from gateway.system.child_process import find_free_port, is_port_open

_PROGRAM_FOLDERS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_MODULE_FOLDERS = (Path("/usr/lib/nginx/modules"), Path("/usr/lib64/nginx/modules"), Path("/usr/share/nginx/modules"))
_NGINX_CONFIG = """
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
    """Return the same figures; None if nginx or its module is not installed."""
    program = shutil.which("nginx", path=_PROGRAM_FOLDERS)
    module = next((file for folder in _MODULE_FOLDERS for file in folder.glob("*nchan_module.so")), None)
    if program is None or module is None:
        return None
    with tempfile.TemporaryDirectory(prefix="piekwacht-nchan-") as folder:
        port, path = find_free_port(), Path(folder) / "nginx.conf"
        path.write_text(
            _NGINX_CONFIG.format(
                module=module, user=getpass.getuser(), folder=folder, port=port, files=2 * viewers + 1_000
            )
        )
        command = [program, "-e", f"{folder}/error.log", "-c", str(path), "-g", "daemon off;"]
        server = subprocess.Popen(command)  # noqa: S603 - our own settings
        try:
            while not is_port_open("127.0.0.1", port) or not _worker_pids(server.pid):
                if server.poll() is not None:
                    raise StartError(
                        f"bench live: nginx does not start: {(Path(folder) / 'error.log').read_text()[-300:]}"
                    )
                time.sleep(0.05)
            return uvloop.run(_measure_nchan(viewers, seconds, port, _worker_pids(server.pid)[0]))
        finally:
            server.terminate()
            server.wait(10)


def _worker_pids(master: int) -> list[int]:
    """Return the worker process, once it has started."""
    children = Path(f"/proc/{master}/task/{master}/children")
    return [int(pid) for pid in children.read_text().split()] if children.exists() else []


async def _measure_nchan(viewers: int, seconds: int, port: int, pid: int) -> dict[str, float]:
    request = b"GET /live HTTP/1.1\r\nHost: here\r\nAccept: text/event-stream\r\n\r\n"
    viewer_group = ViewerGroup(port, request, _frame_number)

    async def publish(number: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        body = _encode_frame(number)
        writer.write(b"POST /publish HTTP/1.0\r\nContent-Length: %d\r\n\r\n" % len(body) + body)
        await reader.read()
        writer.close()

    return await measure_viewers(viewer_group, viewers, seconds, pid, publish)


def _encode_frame(number: int) -> bytes:
    """Return the frames of our feed for one commit, after its number."""
    values = [
        build_live_value(
            observation.station, observation.observed_property, MinuteWindow("ug/m3", observation.readings()).minute
        )
        for observation in build_message(number).observations
    ]
    return b"<%d>" % number + json.encode(values)


def _frame_number(frame: bytes) -> int:
    match = re.search(rb"<([0-9]+)>", frame)
    return 0 if match is None else int(match[1])
