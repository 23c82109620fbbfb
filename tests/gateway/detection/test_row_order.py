"""Where all rows are known, their order within one moment changes nothing."""

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.detection.row_order import order_rows
from gateway.detection.settings import DetectionSettings
from gateway.evaluation.backtest import detect_revisions
from tests.laws import build_registry, simulate_observations


def build_table(seed):
    """A recording of six stations at equal times, with twice a value at some of them."""
    batch = simulate_observations(6, 200, seed=seed)
    station = np.array([f"s{slot}" for slot in batch.datastream])
    columns = {"station": station, "time": batch.observed_at / 1000, "value": batch.value}
    columns = {name: np.concatenate([column, column[::7]]) for name, column in columns.items()}
    columns["value"][len(batch) :] += 5.0
    return pa.table({**columns, "property": ["pm2_5"] * len(columns["value"])})


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 3), shuffle=st.integers(0, 1000))
def test_the_order_of_the_lines_of_a_recording_changes_no_event(seed, shuffle):
    table = build_table(seed)
    expected = detect_revisions(table, DetectionSettings())
    assert expected
    order = np.random.default_rng(shuffle).permutation(len(table))
    assert detect_revisions(table.take(order), DetectionSettings()) == expected


def test_of_two_readings_at_one_time_the_valid_one_comes_first_and_then_the_lower():
    registry, batch = build_registry(1), simulate_observations(1, 4)
    at = np.zeros(4, np.int64)
    rows = type(batch).from_columns([0] * 4, at, [9.0, 3.0, 1.0, 7.0], flags=[0, 0, 4, 0])
    assert order_rows(rows, registry).value.tolist() == [3.0, 7.0, 9.0, 1.0]
