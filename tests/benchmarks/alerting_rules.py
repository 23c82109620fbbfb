"""How long one alert takes against many rules. Run: python -m tests.benchmarks.alerting_rules."""

import statistics
import time
from datetime import UTC, datetime, timedelta

from alerting.pipeline import Rules
from alerting.routing import Route
from alerting.silence import Silence
from tests.alerting.alerts import alert

NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)


def main() -> None:
    """10,000 silences of single stations and 1,000 routes, of which one in ten has a regular expression only."""
    routes = [
        Route(receiver=f"r{n}", match=[f'station=~"s{n}.*"'] if n % 10 == 0 else [f'station="s{n}"'], go_on=True)
        for n in range(1000)
    ]
    silences = [
        Silence(id=n, match=(f'station="s{n}"',), author="a", reason="r", starts_at=NOW, ends_at=NOW + timedelta(1))
        for n in range(10_000)
    ]
    rules = Rules(routes, (), silences)
    seconds = []
    for n in range(2000):
        one = alert(station=f"s{n * 7 % 10_000}")
        began = time.perf_counter()
        rules.decide(one, {}, NOW)
        seconds.append(time.perf_counter() - began)
    cuts = statistics.quantiles(seconds, n=100)
    print(f"10,000 silences, 1,000 routes: p50 {cuts[49] * 1e3:.3f} ms, p99 {cuts[98] * 1e3:.3f} ms an alert")


if __name__ == "__main__":
    main()
