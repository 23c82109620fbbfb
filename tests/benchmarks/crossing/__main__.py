"""Seconds from the first reading over a level to mark, event and notification, on one reading per second.

    python -m tests.benchmarks.crossing [--seconds 300] [--stations 40] [--only simulated|running]

Simulated: the detector alone. Plumes of 8 to 100 ug/m3 and 1 to 30 minutes are added to a wandering background. The
noise has three colours: white, and with a memory of 10 s and 50 s. The crossing is the first reading at which the plume
alone is above LEVEL. The peer is a rule with a fixed level, at once or after five seconds. That level is the background
at the start plus LEVEL, which an operator would have to know. False alarms are those on the same noise without plumes.

Running: broker, database, gateway, API and alerting as `piekwacht up` runs them, with a webhook; beside them Prometheus
and Alertmanager with steps of one second, if they are installed.
"""

import argparse
import sys

from tests.benchmarks.crossing.running import print_running
from tests.benchmarks.crossing.simulated import print_simulated

_SHORTEST = 60  # s


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=int, default=300, help="length of the live part (300)")
    parser.add_argument("--stations", type=int, default=40, help="stations of the live part, half with a plume (40)")
    parser.add_argument("--only", choices=("simulated", "running"), help="only this part")
    options = parser.parse_args()
    if options.seconds < _SHORTEST:
        parser.error(f"--seconds {options.seconds}: a plume needs {_SHORTEST} at least")
    if options.only != "running":
        print_simulated()
        print()
    if options.only != "simulated":
        print_running(options.seconds, options.stations)
    return 0


if __name__ == "__main__":
    sys.exit(main())
