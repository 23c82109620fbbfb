"""Workers of subscriptions are killed at any moment; every subscriber gets each notice under one id."""

import subprocess
import sys

import pytest

from gateway.system.child_process import is_port_open
from tests.alerting.running_dispatcher import wait_until
from tests.benchmarks.subscriptions import SERVICE, Bench, kill_workers


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_workers_killed_at_random_skip_no_subscriber(database, tmp_path):
    bench = Bench(database, tmp_path, "http://localhost:9/")
    service = subprocess.Popen([sys.executable, "-c", SERVICE, str(bench.port), str(bench.log)])  # noqa: ASYNC220 - short
    try:
        await wait_until(lambda: is_port_open("127.0.0.1", bench.port), within=60)
        await kill_workers(bench, kills=4, subscribers=5)
    finally:
        bench.close()
        service.kill()
        service.wait()
