"""The publisher: empties the spool into the broker, in a thread of its own.

It knows nothing of sensors; the committer only wakes it. While there is no broker it tries again,
more slowly each time; nothing is lost by waiting.
"""

import logging
import random
import socket
import sqlite3
import threading
import time
from pathlib import Path

from edge_agent.broker import Connection, ConnectionLost
from edge_agent.session import Counts, Ending, Session, Terms
from edge_agent.spool import Spool
from edge_agent.wire import Kind

_LOG = logging.getLogger(__name__)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 60.0


class Publisher(threading.Thread):
    """Start it, `wake` it after each commit, `finish` it at the end."""

    def __init__(self, terms: Terms, spool: Path) -> None:
        super().__init__(name="publisher", daemon=True)
        self.counts = Counts()
        self._terms, self._path = terms, spool
        self._ending = Ending()
        self._connected, self._changed_at = False, time.monotonic()
        self._wake, self._waker = socket.socketpair()
        self._wake.setblocking(False)  # noqa: FBT003 - the library's own shape
        self._waker.setblocking(False)  # noqa: FBT003 - the library's own shape

    def wake(self) -> None:
        """Something was stored, or the end is near."""
        try:
            self._waker.send(b"\0")
        except BlockingIOError:
            return  # it is being woken already

    def finish(self, seconds: float) -> None:
        """Wait up to `seconds` for the spool to empty, say goodbye, and end."""
        self._ending.deadline = time.monotonic() + seconds
        self.wake()
        self.join(seconds + self._terms.broker.connect_seconds + 5.0)

    def offline_for(self, now: float) -> float:
        """Seconds without a broker; 0 while there is one."""
        return 0.0 if self._connected else now - self._changed_at

    def run(self) -> None:
        """Until finished."""
        failures, said = 0, ""
        with Spool(self._path, node=self._terms.node) as spool:
            while not self._ending.reached(spool, time.monotonic()):
                try:
                    self._connect_and_work(spool)
                except ConnectionLost as error:
                    failures = 1 if self._connected else failures + 1
                    self._note(connected=False)
                    if str(error) != said or failures in {1, 10} or failures % 100 == 0:
                        _LOG.warning("%s; nothing is lost, %d batches wait", error, spool.depth().batches)
                        said = str(error)
                    self._pause(failures)
                except sqlite3.OperationalError as error:
                    failures += 1
                    self._note(connected=False)
                    _LOG.warning("the spool cannot be changed (%s): free the disk, or replace the card", error)
                    self._pause(failures)

    def _connect_and_work(self, spool: Spool) -> None:
        terms = self._terms
        will = terms.say(Kind.STATUS, terms.status(online=False))
        connection = Connection(terms.broker, terms.tls, client_id=terms.node, will=will)
        self._note(connected=True)
        self.counts.connections += 1
        _LOG.info("connected to %s", terms.broker)
        try:
            Session(terms, connection, spool, ending=self._ending, wake=self._wake, counts=self.counts).run()
        except ConnectionLost:
            connection.abandon()
            raise
        connection.close()

    def _note(self, *, connected: bool) -> None:
        if connected is not self._connected:
            self._connected, self._changed_at = connected, time.monotonic()

    def _pause(self, failures: int) -> None:
        """Longer each time, and never the same for two nodes; short when the end is near."""
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311
        until = time.monotonic() + pause
        while time.monotonic() < until:
            time.sleep(0.25)
            if self._ending.deadline is not None:
                return
