"""A value that stands still is stuck only if the resolution of the sensor does not explain it, for every model."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.sensor_models import MODELS
from edge_agent.sensors.driver import PollingSettings
from edge_agent.wire import Flag
from gateway.model.observation import ObservationBatch
from gateway.model.properties import PROPERTIES
from gateway.model.registry import ObservedProperty, Registry
from gateway.quality.flagger import Flagger
from gateway.quality.resolution import find_coarse_steps
from tests.laws import T0, build_registry

ROWS = [(model, quantity) for model in MODELS.values() for quantity in model.measurements]
MINUTE = 60_000
DAY = 24 * 60


def build_property_registry(observed_property) -> Registry:
    registry = build_registry(1, observed_property)
    row = PROPERTIES[observed_property]
    described = ObservedProperty(id=row.id, unit=row.unit, name={}, lower=row.lower, upper=row.upper)
    registry.properties[observed_property] = described
    return registry


def is_stuck(values, observed_property, step=MINUTE):
    registry, flagger = build_property_registry(observed_property), Flagger()
    at = T0 + np.arange(len(values)) * step
    batch = ObservationBatch.from_columns(np.zeros(len(values), int), at, values)
    _, rows = flagger.flag(flagger.initial(registry), batch, registry)
    return rows.flags & int(Flag.STUCK) != 0


def reported_name(model, quantity):
    name = model.reported_names[quantity]
    return name if name in PROPERTIES else quantity


def draw_clean_air(data, model, quantity):
    """Two days of still air at one reading a minute, as this model rounds it; it moves by two steps over a day."""
    row, properties = model.measurements[quantity], PROPERTIES[quantity]
    rng = np.random.default_rng(data.draw(st.integers(0, 10_000)))
    step, noise = row.resolution or 0.0, properties.still_noise or 0.02
    lowest = max(row.range[0], properties.lower or 0.0)
    level = lowest + data.draw(st.floats(3, 60)) * max(step, 10 * noise)
    tide = 2 * max(step, noise) * np.sin(np.arange(2 * DAY) * 2 * np.pi / DAY)
    values = level + tide + rng.normal(0, noise, 2 * DAY)
    return np.round(values / step) * step if step else values


@settings(max_examples=150, deadline=None)
@given(row=st.sampled_from(ROWS), data=st.data())
def test_clean_air_at_the_resolution_of_any_model_is_never_stuck(row, data):
    model, quantity = row
    values = draw_clean_air(data, model, quantity)
    values = np.array([float(f"{value:.9g}") for value in values])
    assert not is_stuck(values, reported_name(model, quantity)).any()


@pytest.mark.parametrize(("model", "quantity"), ROWS, ids=[f"{m.name}-{q}" for m, q in ROWS])
def test_a_frozen_sensor_of_any_model_is_stuck_within_a_day_and_a_fine_one_within_half_an_hour(model, quantity):
    row, name = model.measurements[quantity], reported_name(model, quantity)
    low, high = max(row.range[0], PROPERTIES[quantity].lower or 0.0), min(row.range[1], PROPERTIES[quantity].upper)
    value = low + (high - low) / 7.3
    value = float(f"{round(value / row.resolution) * row.resolution:.9g}") if row.resolution else value
    stuck = is_stuck(np.full(DAY + 40, value), name)
    assert stuck[DAY:].all()
    assert not stuck[:29].any()
    still_noise = PROPERTIES[quantity].still_noise
    if still_noise and (row.resolution is None or row.resolution <= still_noise) and value % 1:
        assert stuck[30:].all()


def test_a_whole_hour_of_equal_readings_of_a_pms5003_is_clean_air():
    assert not is_stuck(np.full(3_600, 2.0), "pm2_5", step=1_000).any()


def test_a_posted_sps30_that_repeats_its_last_number_is_stuck_after_ten_minutes():
    stuck = is_stuck(np.full(1_200, 8.3724), "pm2_5", step=1_000)
    assert stuck.tolist() == [i >= 600 for i in range(1_200)]


def test_steps_that_a_driver_converts_fit_every_value():
    assert find_coarse_steps("wind_speed") == (0.0,)
    assert find_coarse_steps("pm2_5") == (1.0,)
    assert find_coarse_steps("humidity_heca") == (0.01,)


def test_the_agent_does_not_judge_still_air_before_the_gateway_does():
    assert PollingSettings().stuck_seconds >= 86_400
