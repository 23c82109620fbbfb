"""Quality flags: the kernel equals its naive twin, and flags of the node stay."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import EXCLUDED_FLAGS, Flag
from gateway.model.observation import ObservationBatch
from gateway.model.registry import ObservedProperty
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry
from tests.naive import NaiveFlagger

REGISTRY = build_registry(1)
REGISTRY.properties["pm2_5"] = ObservedProperty(id="pm2_5", unit="ug/m3", name={}, lower=0, upper=1000, max_rise=500)

_VALUE = st.one_of(st.floats(-10, 1500), st.sampled_from([5.0, 5.0, 5.3, 5.3, 0.0, float("nan"), float("inf")]))


def flag_values(values, at, rh=None, cuts=()):
    batch = ObservationBatch.from_columns(np.zeros(len(values), int), at, values, **({} if rh is None else {"rh": rh}))
    flagger = Flagger()
    states, flags = flagger.initial(REGISTRY), []
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        states, part = flagger.flag(states, batch[begin:end], REGISTRY)
        flags += part.flags.tolist()
        states = flagger.load(REGISTRY, {0: bytes(flagger.dump(states, np.arange(1))[0])})
    return flags


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(_VALUE, min_size=1, max_size=80),
    step=st.sampled_from([1_000, 60_000, 3_600_000, 11_000_000]),
    data=st.data(),
)
def test_the_kernel_equals_its_naive_twin_however_the_rows_are_split(values, step, data):
    at = T0 + np.arange(len(values)) * step
    rh = data.draw(
        st.lists(st.sampled_from([50.0, 85.0, 86.0, float("nan")]), min_size=len(values), max_size=len(values))
    )
    cut = data.draw(st.integers(0, len(values)))
    twin = NaiveFlagger(0, 1000, 500, humid=True, steps=(1.0,))
    expected = [
        sum(Flag[name] for name in twin.flag_value(int(t), v, h)) for t, v, h in zip(at, values, rh, strict=True)
    ]
    assert flag_values(values, at, rh, cuts=(cut,)) == expected


def test_a_value_of_a_fine_sensor_that_does_not_change_for_ten_minutes_is_stuck():
    flags = flag_values(np.full(100, 7.3), T0 + np.arange(100) * 30_000)
    assert [bool(f & Flag.STUCK) for f in flags] == [i >= 29 for i in range(100)]


@pytest.mark.parametrize("value", [7.0, 0.0, 1000.0])
def test_a_whole_number_or_an_end_of_the_range_is_stuck_after_a_day(value):
    flags = flag_values(np.full(60, value), T0 + np.arange(60) * 1_800_000)
    assert [bool(f & Flag.STUCK) for f in flags] == [i >= 48 for i in range(60)]


def test_equal_values_before_and_after_a_gap_of_hours_are_no_run_and_no_jump():
    at = T0 + np.arange(60) * 60_000 + np.where(np.arange(60) >= 29, 4 * 3_600_000, 0)
    assert not any(flag_values(np.full(60, 7.3), at)[:58])
    assert flag_values([8.0, 900.0], [T0, T0 + 4 * 3_600_000]) == [0, 0]
    assert flag_values([8.0, 900.0], [T0, T0 + 3_600_000]) == [0, Flag.JUMP]


def test_flags_of_the_node_stay():
    batch = ObservationBatch.from_columns([0], [T0], [5.0], flags=[int(Flag.WARM_UP)])
    _, after = Flagger().flag(Flagger().initial(REGISTRY), batch, REGISTRY)
    assert after.flags.tolist() == [Flag.WARM_UP]


def test_the_given_states_are_not_changed():
    flagger = Flagger()
    states = flagger.initial(REGISTRY)
    flagger.flag(states, ObservationBatch.from_columns([0], [T0], [5.0]), REGISTRY)
    assert states.tobytes() == flagger.initial(REGISTRY).tobytes()


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("value", [2e200, -2e200, float("inf"), 1.1e9])
def test_a_value_beyond_every_bound_is_out_of_range_in_every_unit_and_stays_as_it_is(value, late):
    registry = build_registry(1)
    registry.properties["pm2_5"] = ObservedProperty(id="pm2_5", unit="{anything}", name={})
    batch = ObservationBatch.from_columns([0], [T0], [value], late=[late])
    _, after = Flagger().flag(Flagger().initial(registry), batch, registry)
    assert (after.flags.tolist(), after.value.tolist()) == ([Flag.OUT_OF_RANGE], [value])


@pytest.mark.parametrize("late", [False, True])
def test_late_rows_get_the_range_of_their_property_too(late):
    batch = ObservationBatch.from_columns([0, 0], [T0, T0 + 1000], [1000.5, 999.5], late=[late, late])
    _, after = Flagger().flag(Flagger().initial(REGISTRY), batch, REGISTRY)
    assert after.flags.tolist() == [Flag.OUT_OF_RANGE, 0]


@pytest.mark.parametrize("flag", [flag for flag in Flag if flag & EXCLUDED_FLAGS])
def test_a_value_that_does_not_count_makes_no_jump_of_the_next_one(flag):
    batch = ObservationBatch.from_columns([0] * 3, T0 + np.arange(3) * 1000, [8.0, 987.0, 8.0], flags=[0, int(flag), 0])
    _, after = Flagger().flag(Flagger().initial(REGISTRY), batch, REGISTRY)
    assert after.flags.tolist() == [0, flag, 0]


@settings(max_examples=60, deadline=None)
@given(values=st.lists(_VALUE, min_size=1, max_size=60), shift=st.integers(-(10**10), 10**10))
def test_undated_rows_teach_nothing_and_once_dated_have_the_flags_of_late_ones(values, shift):
    flagger, undated = Flagger(), int(Flag.TIME_SUSPECT)
    clean = ObservationBatch.from_columns([0] * 40, T0 + np.arange(40) * 1_000, np.full(40, 5.3))
    before, _ = flagger.flag(flagger.initial(REGISTRY), clean, REGISTRY)
    at, slots = T0 + shift + np.arange(len(values)) * 1_000, [0] * len(values)
    rows = ObservationBatch.from_columns(slots, at, values, flags=[undated] * len(values))
    after, flagged = flagger.flag(before, rows, REGISTRY)
    assert after.tobytes() == before.tobytes()
    late = ObservationBatch.from_columns(slots, at, values, late=[True] * len(values))
    as_late, of_late = flagger.flag(before, late, REGISTRY)
    assert as_late.tobytes() == before.tobytes()
    assert [f & ~undated for f in flagged.flags.tolist()] == of_late.flags.tolist()
