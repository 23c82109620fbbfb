"""How long the assessment of 1,000 stations over a year takes, from means over an hour.

    python -m tests.benchmarks.assessment [--stations 1000]

Each station has PM2.5 and PM10 for a calendar year: 17,520 hours with their counts of readings, of which a tenth is
not complete. Everything from the rows of hours to the rows of a table is measured; reading the database is not.
"""

import argparse
import time
from datetime import date

import numpy as np

from gateway.assessment.assess import assess_substance
from gateway.assessment.averaging import place_hours, select_complete_hours
from gateway.export.assessed import build_period
from gateway.export.assessment_table import AssessedStream, list_rows


def main() -> None:
    """Print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stations", type=int, default=1_000, help="number of stations")
    stations = parser.parse_args().stations
    period = build_period(date(2025, 1, 1), date(2026, 1, 1), "Europe/Amsterdam")
    random = np.random.default_rng(1)
    start = period.first + 3_600 * np.arange(period.hours)
    inputs = []
    for _ in range(stations):
        for substance, scale in (("pm2_5", 12.0), ("pm10", 20.0)):
            mean = random.gamma(2.0, scale / 2, period.hours)
            valid = random.integers(2_600, 3_601, period.hours)  # a tenth has fewer than 2,700
            inputs.append((substance, mean, valid))
    expected = np.full(period.hours, 3_600)
    begin, processor = time.perf_counter(), time.process_time()
    streams = []
    for number, (substance, mean, valid) in enumerate(inputs):
        series = place_hours(start, select_complete_hours(mean, valid, expected), period.first, period.hours)
        assessment = assess_substance(substance, series, period, 0.85)
        streams.append(AssessedStream(station=f"s{number // 2}", datastream=number, assessment=assessment))
    rows = list_rows(streams)
    print(f"{stations} stations, {len(inputs) * period.hours:,} hours, {len(rows):,} rows")
    print(f"elapsed {time.perf_counter() - begin:.2f} s, processor {time.process_time() - processor:.2f} s")


if __name__ == "__main__":
    main()
