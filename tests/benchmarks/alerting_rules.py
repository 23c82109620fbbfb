"""How long one alert takes against many rules. Run: python -m tests.benchmarks.alerting_rules."""

import statistics
import time
from datetime import UTC, datetime, timedelta
from math import cos, pi, sin

from alerting.alert import Alert
from alerting.decide.policy import NotificationPolicy
from alerting.decide.routing import Route
from alerting.decide.silence import Silence
from tests.alerting.sample_alerts import make_alert

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def _route(n: int, area: str) -> Route:
    if n % 10 == 0:
        return Route(receiver=f"r{n}", match=[f'station=~"s{n}.*"'], go_on=True)
    if n % 10 == 5:
        return Route(receiver=f"r{n}", inside=area, hours=["mon-fri 18:00-08:00", "sat-sun"], go_on=True)
    return Route(receiver=f"r{n}", match=[f'station="s{n}"'], go_on=True)


def _time_decision(rules: NotificationPolicy, candidate: Alert) -> float:
    """Of this thread alone, and the first time this alert is seen: what others on the machine took is left out."""
    started = time.thread_time()
    rules.decide(candidate, {}, NOW)
    return time.thread_time() - started


def main() -> None:
    """10,000 silences of single stations and 1,000 routes, of which one in ten has a regular expression only.

    Another one in ten has a jurisdiction of 200 corners and hours, and no matcher.
    """
    corners = [(4.6 + cos(n * pi / 100), 52.5 + sin(n * pi / 100)) for n in range(200)]
    area = f"POLYGON(({', '.join(f'{x:.4f} {y:.4f}' for x, y in [*corners, corners[0]])}))"
    routes = [_route(n, area) for n in range(1000)]
    silences = [
        Silence(id=n, match=(f'station="s{n}"',), author="a", reason="r", starts_at=NOW, ends_at=NOW + timedelta(1))
        for n in range(10_000)
    ]
    rules = NotificationPolicy(routes, (), silences)
    seconds = []
    for n in range(2000):
        candidate = make_alert(station=f"s{n * 7 % 10_000}")
        seconds.append(_time_decision(rules, candidate))
    percentiles = statistics.quantiles(seconds, n=100)
    print(
        f"10,000 silences, 1,000 routes: p50 {percentiles[49] * 1e3:.3f} ms, "
        f"p99 {percentiles[98] * 1e3:.3f} ms per alert"
    )


if __name__ == "__main__":
    main()
