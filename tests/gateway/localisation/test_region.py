"""Roses and regions: compared with the formulas written out, and with sources whose place is known."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.localisation.evidence import PlumeEvidence, StationEvidence, WindSeries, subtract_background
from gateway.localisation.locate import PARAMETERS, RefusalReason, locate_source
from gateway.localisation.region import build_grid, compute_probabilities, select_region, sum_inside
from gateway.localisation.rose import build_rose

GRID = build_grid(-500, -500, 500, 500, 25)
SQUARE = ((-300.0, 200.0), (250.0, 320.0), (310.0, -280.0), (-220.0, -250.0))


def build_evidence(excess, directions, speeds=None, places=SQUARE):
    """Evidence of stations at `places`; excess (stations, times)."""
    excess, directions = np.asarray(excess, dtype=float), np.asarray(directions, dtype=float)
    speeds = np.full(directions.shape, 3.0) if speeds is None else np.asarray(speeds, dtype=float)
    rows = zip(places, excess, strict=True)
    return PlumeEvidence(
        stations=[
            StationEvidence(station=f"s{number}", east=east, north=north, excess=values)
            for number, ((east, north), values) in enumerate(rows)
        ],
        wind=WindSeries(directions=directions, speeds=speeds),
        threshold=1.0,
        interval=60.0,
    )


def simulate(random, minutes=240):
    """A source somewhere between the stations, a wind that turns, and the values of the stations in the plume."""
    source = random.uniform(-250, 250, 2)
    directions = (random.uniform(0, 360) + np.cumsum(random.normal(0, 8, minutes))) % 360
    excess = np.empty((len(SQUARE), minutes))
    for number, (east, north) in enumerate(SQUARE):
        bearing = math.degrees(math.atan2(source[0] - east, source[1] - north))
        difference = (bearing - directions - random.normal(0, 5) + 180) % 360 - 180
        share = np.exp(-0.5 * (difference / 15) ** 2) * (random.uniform(size=minutes) < 0.7)
        excess[number] = 20 * share + random.normal(0, 0.3, minutes)
    return source, build_evidence(excess, directions)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-5, 50) | st.just(math.nan), st.integers(0, 359), st.floats(0, 9)), min_size=1, max_size=40
    )
)
def test_a_rose_is_the_sum_of_the_formula(rows):
    excess, directions, speeds = (np.array(column, dtype=float) for column in zip(*rows, strict=True))
    evidence = build_evidence([excess], directions, speeds, places=[(0.0, 0.0)])
    rose = build_rose(evidence.stations[0], evidence.wind, 1.0, 60.0, PARAMETERS)
    for bearing in (0, 17, 181, 359):
        expected = 0.0
        for value, direction, speed in rows:
            if math.isnan(value) or speed < PARAMETERS.min_speed:
                continue
            difference = (bearing - direction + 180) % 360 - 180
            footprint = math.exp(-0.5 * (difference / PARAMETERS.spread) ** 2)
            p = PARAMETERS.high_by_chance + (PARAMETERS.high_downwind - PARAMETERS.high_by_chance) * footprint
            expected += math.log(p if value > 1.0 else 1 - p)
        assert rose[bearing] == pytest.approx(expected * 60 / PARAMETERS.memory, abs=1e-9)


@given(st.integers(0, 359), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_turned_wind_turns_the_rose(angle, seed):
    random = np.random.default_rng(seed)
    directions = random.integers(0, 360, 30).astype(float)
    excess = random.uniform(0, 2, 30)
    first, second = (build_evidence([excess], (directions + turn) % 360, places=[(0.0, 0.0)]) for turn in (0, angle))
    roses = [build_rose(e.stations[0], e.wind, 1.0, 60.0, PARAMETERS) for e in (first, second)]
    assert np.allclose(np.roll(roses[0], angle), roses[1])


def test_regions_are_nested_and_hold_their_share():
    random = np.random.default_rng(1)
    probabilities = compute_probabilities(simulate(random)[1], GRID, PARAMETERS)
    assert probabilities.sum() == pytest.approx(1.0)
    half, most = select_region(probabilities, 0.5), select_region(probabilities, 0.9)
    assert not np.any(half & ~most)
    for region, share in ((half, 0.5), (most, 0.9)):
        assert probabilities[region].sum() >= share
        assert probabilities[region].sum() - probabilities[region].min() < share, "the smallest set"


def test_the_region_holds_the_source_as_often_as_its_probability():
    random = np.random.default_rng(7)
    inside, areas = 0, []
    for _ in range(60):
        source, evidence = simulate(random)
        location = locate_source(evidence, GRID)
        if location.refusal is None:
            region = location.region(0.9)
            column, row = (
                int(np.argmin(abs(axis - at))) for axis, at in zip((GRID.easts, GRID.norths), source, strict=True)
            )
            inside += int(region[row, column])
            areas.append(region.mean())
    assert len(areas) >= 40
    assert inside >= 0.85 * len(areas)
    assert np.median(areas) < 0.25


def test_a_low_station_lowers_the_probability_upwind_of_it():
    first, _, third, fourth = SQUARE
    directions, high, low = np.full(60, 0.0), np.full(60, 10.0), np.zeros(60)
    without = build_evidence([high, high], directions, places=[third, fourth])
    with_low = build_evidence([high, high, low], directions, places=[third, fourth, first])
    upwind = abs(GRID.easts - first[0]) < 30
    before, after = (
        compute_probabilities(evidence, GRID, PARAMETERS)[GRID.norths > 350][:, upwind].sum()
        for evidence in (without, with_low)
    )
    assert after < 0.5 * before


@pytest.mark.parametrize(
    ("excess", "speed", "direction", "reason"),
    [
        ([10, 10, 0, 0], math.nan, math.nan, RefusalReason.NO_WIND),
        ([10, 10, 0, 0], 0.4, 90.0, RefusalReason.CALM),
        ([10, 0, 0, 0], 3.0, 90.0, RefusalReason.ONE_STATION),
        ([0, 0, 0, 0], 3.0, 90.0, RefusalReason.ONE_STATION),
        ([math.nan] * 4, 3.0, 90.0, RefusalReason.ONE_STATION),
        ([10, 10, 10, 10], 3.0, None, RefusalReason.UNDETERMINED),
    ],
)
def test_evidence_without_a_location_is_refused_with_the_reason(excess, speed, direction, reason):
    minutes = 4
    directions = np.arange(minutes) * 90.0 if direction is None else np.full(minutes, direction)
    evidence = build_evidence(np.repeat(np.array(excess)[:, None], minutes, 1), directions, np.full(minutes, speed))
    location = locate_source(evidence, GRID)
    assert location.refusal is reason
    assert location.probabilities is None
    with pytest.raises(ValueError, match="no region"):
        location.region(0.9)


def test_one_station_has_a_fan_and_a_wind_that_turned_too_far_has_none():
    excess = [[10.0] * 6, [0.0] * 6, [0.0] * 6, [0.0] * 6]
    location = locate_source(build_evidence(excess, [355, 5, 0, 350, 10, 0]), GRID)
    (fan,) = location.fans
    assert fan.station == "s0"
    assert min(fan.direction, 360 - fan.direction) < 1
    assert 0 < fan.spread < 10
    assert locate_source(build_evidence(excess, [0, 60, 120, 180, 240, 300]), GRID).fans == []


def test_the_background_is_low_before_and_during_a_plume():
    values = np.concatenate([np.full(120, 8.0), np.full(60, 30.0), [np.nan], np.full(60, 8.0)])
    excess = subtract_background(values, 60.0)
    assert np.allclose(excess[120:180], 22.0)
    assert np.allclose(excess[:120], 0.0)
    assert math.isnan(excess[180])
    assert np.allclose(excess[181:], 0.0)
    assert np.isnan(subtract_background(np.full(5, np.nan), 60.0)).all()


def test_a_polygon_holds_the_cells_whose_centres_lie_in_it():
    probabilities = np.full((len(GRID.norths), len(GRID.easts)), 1 / (len(GRID.norths) * len(GRID.easts)))
    square = [[-250, -250], [250, -250], [250, 250], [-250, 250]]
    hole = [[-100, -100], [100, -100], [100, 100], [-100, 100]]
    assert sum_inside(probabilities, GRID, [square]) == pytest.approx(0.25)
    assert sum_inside(probabilities, GRID, [square, hole]) == pytest.approx(0.25 - 0.04)
    triangle = [[-500, -500], [500, -500], [500, 500]]
    assert sum_inside(probabilities, GRID, [triangle]) == pytest.approx(0.5, abs=0.02)
