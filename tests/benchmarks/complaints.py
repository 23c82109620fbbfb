"""Compare 10,000 complaints with 10,000 events of a year; CPU of one run, median of five (goal 2 s).

python -m tests.benchmarks.complaints
"""

import random
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

from gateway.reconciliation.complaint import Complaint
from gateway.reconciliation.fit import MeasuredEvent, reconcile

_COUNT, _STATIONS, _PERSONS, _DAYS = 10_000, 20, 800, 365
_START = datetime(2025, 1, 1, tzinfo=UTC)
_GOAL = 2.0


def main() -> int:
    """Print the median; 1 if the goal is missed."""
    pick = random.Random(1)
    places = [(pick.uniform(52.45, 52.55), pick.uniform(4.58, 4.68)) for _ in range(_STATIONS)]
    events, complaints = [], []
    for number in range(_COUNT):
        station = pick.randrange(_STATIONS)
        onset = _START + timedelta(days=pick.uniform(0, _DAYS))
        events.append(
            MeasuredEvent(
                id=str(number),
                station=f"s{station}",
                latitude=places[station][0],
                longitude=places[station][1],
                onset=onset,
                end=onset + timedelta(minutes=pick.uniform(2, 40)),
                wind=pick.uniform(0, 360),
            )
        )
        complaints.append(
            Complaint(
                id=str(number),
                person=f"p{pick.randrange(_PERSONS)}",
                at=_START + timedelta(days=pick.uniform(0, _DAYS)),
                latitude=pick.uniform(52.45, 52.55),
                longitude=pick.uniform(4.58, 4.68),
            )
        )
    seconds = []
    for _ in range(5):
        begin = time.process_time()
        result = reconcile(complaints, events, (_START, _START + timedelta(days=_DAYS)))
        seconds.append(time.process_time() - begin)
    median = statistics.median(seconds)
    print(f"{_COUNT:,} complaints, {_COUNT:,} events: {median:.2f} s (goal {_GOAL:.0f}); chance {result.chance}")
    return int(median > _GOAL)


if __name__ == "__main__":
    sys.exit(main())
