"""Where all rows are known, their order within one moment changes nothing."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.recordings.recording import RecordedValue
from gateway.detection.row_order import order_rows
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.backtest import detect_revisions
from tests.laws import build_registry, simulate_observations


def build_recording(seed):
    """A recording of six stations at equal times, with twice a value at some of them."""
    batch = simulate_observations(6, 200, seed=seed)
    rows = list(zip(batch.datastream.tolist(), batch.observed_at.tolist(), batch.value.tolist(), strict=True))
    rows += [(slot, at, value + 5.0) for slot, at, value in rows[::7]]
    return [RecordedValue(f"s{slot}", "pm2_5", at, value, 0) for slot, at, value in rows]


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 3), shuffle=st.integers(0, 1000))
def test_the_order_of_the_lines_of_a_recording_changes_no_event(seed, shuffle):
    values = build_recording(seed)
    expected = detect_revisions(values, DetectionSettings())
    assert expected
    order = np.random.default_rng(shuffle).permutation(len(values))
    assert detect_revisions([values[i] for i in order], DetectionSettings()) == expected


def test_of_two_readings_at_one_time_the_valid_one_comes_first_and_then_the_lower():
    registry, batch = build_registry(1), simulate_observations(1, 4)
    at = np.zeros(4, np.int64)
    rows = type(batch).from_columns([0] * 4, at, [9.0, 3.0, 1.0, 7.0], flags=[0, 0, 4, 0])
    assert order_rows(rows, registry).value.tolist() == [3.0, 7.0, 9.0, 1.0]
