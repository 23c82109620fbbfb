"""Measures a site while it is attacked: what nodes, other visitors and inspectors notice, and what it costs.

Figures: seconds to COMMIT of every reading, seconds of another visitor's requests, and seconds from an alert to its
mail. Also resident memory, and how long after the end of the attack all is normal again.
"""

import http.client
import statistics
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import psycopg

from tests.attack.site import AttackedSite

_VISITOR = "198.51.100.77"  # an address that no attack uses
_VISIT_INTERVAL = 0.12  # s: below the rate limit of one address
_ALERT_INTERVAL = 1.0  # s
_ALERT_LIMIT = 60.0  # s until an alert counts as not delivered
_MEMORY_INTERVAL = 0.2  # s
_NORMAL_SECONDS = 1.0  # s for which everything must be normal

_COMMIT_AGES = """
SELECT extract(epoch FROM b.committed_at - o.observed_at)::float8 FROM observation o JOIN batch b ON b.id = o.batch_id
WHERE o.observed_at >= %s AND o.observed_at <= %s
"""
_ALERT_AGES = """
SELECT extract(epoch FROM o.finished_at - i.received_at)::float8
FROM alerting.outbox o JOIN alerting.inbox i USING (event_id, revision)
WHERE i.event_id LIKE 'probe-%%' AND i.received_at >= %s AND i.received_at <= %s
"""
_NEWEST_AGE = "SELECT extract(epoch FROM now() - max(observed_at))::float8 FROM observation"


def percentile_99(seconds: Sequence[float]) -> float:
    """The 99 % percentile; with few values nearly the highest."""
    return statistics.quantiles(seconds, n=100, method="inclusive")[98] if len(seconds) > 1 else max(seconds, default=0)


@dataclass(kw_only=True)
class Measurement:
    """Figures of one period. Seconds, bytes; `failed`: requests of the visitor without the answer 200."""

    began_at: datetime
    ended_at: datetime
    visits: list[float]
    failed: list[str]
    commits: list[float]
    alerts: list[float]
    memory_growth: int
    recovery: float = 0.0
    attacked: str = ""

    def row(self, name: str) -> str:
        """A row of the table in docs/performance.md."""
        seconds = [percentile_99(values) for values in (self.commits, self.visits, self.alerts)]
        commit, visit, alert = (f"{value:.2f} s" for value in seconds)
        return (
            f"| {name} | {commit} | {visit} | {alert} | {self.memory_growth / 2**20:+.0f} MB | {self.recovery:.1f} s |"
        )


@dataclass
class Monitor:
    """Visits, alerts and measures from threads of this process, while the site is another's."""

    site: AttackedSite
    alert_number: int = 0
    _visits: list[float] = field(default_factory=list)
    _failed: list[str] = field(default_factory=list)
    _memory: list[int] = field(default_factory=list)

    def measure(self, attack: Callable[[], str], *, memory_before: int | None = None) -> Measurement:
        """Run the attack and measure meanwhile; then wait until all is normal again."""
        self._visits, self._failed, self._memory = [], [], []
        before = self.site.read_memory() if memory_before is None else memory_before
        began_at, stop = datetime.now(UTC), threading.Event()
        threads = [
            threading.Thread(target=self._repeat, args=(stop, interval, step))
            for interval, step in (
                (_VISIT_INTERVAL, self._visit),
                (_ALERT_INTERVAL, self._alert),
                (_MEMORY_INTERVAL, self._sample_memory),
            )
        ]
        for thread in threads:
            thread.start()
        try:
            attacked = attack()
        finally:
            ended_at = datetime.now(UTC)
            stop.set()
            for thread in threads:
                thread.join()
        recovery = self._wait_until_normal()
        commits, alerts = self._read_ages(_COMMIT_AGES, began_at, ended_at), self._wait_for_alerts(began_at, ended_at)
        return Measurement(
            began_at=began_at,
            ended_at=ended_at,
            visits=self._visits,
            failed=self._failed,
            commits=commits,
            alerts=alerts,
            memory_growth=max(self._memory, default=before) - before,
            recovery=recovery,
            attacked=attacked,
        )

    @staticmethod
    def _repeat(stop: threading.Event, interval: float, step: Callable[[], None]) -> None:
        while not stop.wait(interval):
            step()

    def _visit(self) -> None:
        seconds, outcome = self.visit()
        self._visits.append(seconds)
        if outcome != "200":
            self._failed.append(outcome)

    def visit(self) -> tuple[float, str]:
        """One request on a new connection from a separate address; returns its seconds and status."""
        started_at = time.perf_counter()
        connection = http.client.HTTPConnection("127.0.0.1", self.site.api_port, timeout=20)
        try:
            connection.request("GET", "/api/v1/stations", headers={"X-Forwarded-For": _VISITOR})
            response = connection.getresponse()
            response.read()
            outcome = str(response.status)
        except OSError as error:
            outcome = repr(error)
        finally:
            connection.close()
        return time.perf_counter() - started_at, outcome

    def _alert(self) -> None:
        self.alert_number += 1
        self.site.put_alert(self.alert_number)

    def _sample_memory(self) -> None:
        self._memory.append(self.site.read_memory())

    def _wait_until_normal(self) -> float:
        """Seconds until visits and readings were normal for a second; the second itself does not count."""
        ended_at = time.monotonic()
        normal_since: float | None = None
        with psycopg.connect(self.site.dsn, autocommit=True) as connection:
            while time.monotonic() < ended_at + 60:
                seconds, outcome = self.visit()
                (age,) = connection.execute(_NEWEST_AGE).fetchone()
                if outcome == "200" and seconds < 0.2 and age < 2.0:
                    normal_since = normal_since or time.monotonic()
                    if time.monotonic() - normal_since > _NORMAL_SECONDS:
                        return normal_since - ended_at
                else:
                    normal_since = None
                time.sleep(0.1)
        return 60.0

    def _wait_for_alerts(self, began_at: datetime, ended_at: datetime) -> list[float]:
        deadline = time.monotonic() + _ALERT_LIMIT
        while True:
            ages = self._read_ages(_ALERT_AGES, began_at, ended_at)
            if (ages and all(age is not None for age in ages)) or time.monotonic() > deadline:
                return [_ALERT_LIMIT if age is None else age for age in ages]
            time.sleep(0.2)

    def _read_ages(self, query: str, began_at: datetime, ended_at: datetime) -> list[float]:
        with psycopg.connect(self.site.dsn) as connection:
            return [age for (age,) in connection.execute(query, [began_at, ended_at])]
