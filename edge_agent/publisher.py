"""The publisher: a thread that sends the spool to the broker.

It knows no sensors; the committer only wakes it. Without a broker it tries again after growing pauses; waiting loses
nothing.
"""

import logging
import random
import socket
import sqlite3
import threading
import time
from pathlib import Path

from edge_agent.broker import ConnectionLostError, PahoConnection
from edge_agent.session import PublisherCounts, Session, SessionContext, StopDeadline
from edge_agent.spool import Spool
from edge_agent.wire import TopicKind

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE, _MAX_PAUSE = 0.25, 60.0


class Publisher(threading.Thread):
    """Start it, `wake` it after each commit, `finish` it at the end."""

    def __init__(self, context: SessionContext, spool_path: Path) -> None:
        super().__init__(name="publisher", daemon=True)
        self.counts = PublisherCounts()
        self._session_context, self._path = context, spool_path
        self._stop_deadline = StopDeadline()
        self._connected, self._changed_at = False, time.monotonic()
        self._wake_receiver, self._wake_sender = socket.socketpair()
        self._wake_receiver.setblocking(False)  # noqa: FBT003 - the library's own shape
        self._wake_sender.setblocking(False)  # noqa: FBT003 - the library's own shape

    def wake(self) -> None:
        """Something was stored, or the end is near."""
        try:
            self._wake_sender.send(b"\0")
        except BlockingIOError:
            return  # it is being woken already

    def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for the spool to empty, disconnect, and end."""
        self._stop_deadline.deadline = time.monotonic() + seconds
        self.wake()
        self.join(seconds + self._session_context.broker.connect_seconds + 5.0)

    def offline_seconds(self, now: float) -> float:
        """Seconds without a broker; 0 while there is one."""
        return 0.0 if self._connected else now - self._changed_at

    def run(self) -> None:
        """Until finished."""
        failures, last_error = 0, ""
        with Spool(self._path, node=self._session_context.node) as spool:
            while not self._stop_deadline.is_reached(spool, time.monotonic()):
                try:
                    self._run_session(spool)
                except ConnectionLostError as error:
                    failures = 1 if self._connected else failures + 1
                    self._set_connected(connected=False)
                    if str(error) != last_error or failures in {1, 10} or failures % 100 == 0:
                        _LOG.warning("%s; nothing is lost, %d batches wait", error, spool.measure_depth().batches)
                        last_error = str(error)
                    self._wait_before_retry(failures)
                except sqlite3.OperationalError as error:
                    failures += 1
                    self._set_connected(connected=False)
                    _LOG.warning("the spool cannot be changed (%s): free the disk, or replace the card", error)
                    self._wait_before_retry(failures)

    def _run_session(self, spool: Spool) -> None:
        connection = self._connect()
        try:
            Session(
                self._session_context,
                connection,
                spool,
                stop_deadline=self._stop_deadline,
                wake_socket=self._wake_receiver,
                counts=self.counts,
            ).run()
        except ConnectionLostError:
            connection.abandon()
            raise
        connection.close()

    def _connect(self) -> PahoConnection:
        context = self._session_context
        will = context.build_message(TopicKind.STATUS, context.encode_status(online=False))
        connection = PahoConnection(context.broker, context.tls, client_id=context.node, will=will)
        self._set_connected(connected=True)
        self.counts.connections += 1
        _LOG.info("connected to %s", context.broker)
        return connection

    def _set_connected(self, *, connected: bool) -> None:
        if connected is not self._connected:
            self._connected, self._changed_at = connected, time.monotonic()

    def _wait_before_retry(self, failures: int) -> None:
        """Longer each time, and never the same for two nodes; short when the end is near."""
        pause = min(_MAX_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
        deadline = time.monotonic() + pause
        while time.monotonic() < deadline:
            time.sleep(0.25)
            if self._stop_deadline.deadline is not None:
                return
