"""Quality flags: the kernel equals its naive twin, and flags of the node stay."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.model.observation import ObservationBatch
from gateway.model.registry import ObservedProperty
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry
from tests.naive import NaiveFlagger

REGISTRY = build_registry(1)
REGISTRY.properties["pm2_5"] = ObservedProperty(id="pm2_5", unit="ug/m3", name={}, lower=0, upper=1000, max_rise=500)

_VALUE = st.one_of(st.floats(-10, 1500), st.sampled_from([5.0, 5.0, 5.0, float("nan"), float("inf")]))


def flag_values(values, at, rh=None, cuts=()):
    batch = ObservationBatch.from_columns(np.zeros(len(values), int), at, values, **({} if rh is None else {"rh": rh}))
    flagger = Flagger()
    states, flags = flagger.initial(REGISTRY), []
    for begin, end in zip([0, *cuts], [*cuts, len(values)], strict=True):
        states, part = flagger.flag(states, batch[begin:end], REGISTRY)
        flags += part.flags.tolist()
        states = flagger.load(REGISTRY, {0: flagger.dump(states, [0])[0]})
    return flags


@settings(max_examples=100, deadline=None)
@given(values=st.lists(_VALUE, min_size=1, max_size=80), step=st.sampled_from([1_000, 60_000]), data=st.data())
def test_the_kernel_equals_its_naive_twin_however_the_rows_are_split(values, step, data):
    at = T0 + np.arange(len(values)) * step
    rh = data.draw(
        st.lists(st.sampled_from([50.0, 85.0, 86.0, float("nan")]), min_size=len(values), max_size=len(values))
    )
    cut = data.draw(st.integers(0, len(values)))
    twin = NaiveFlagger(0, 1000, 500, humid=True)
    expected = [
        sum(Flag[name] for name in twin.flag_value(int(t), v, h)) for t, v, h in zip(at, values, rh, strict=True)
    ]
    assert flag_values(values, at, rh, cuts=(cut,)) == expected


def test_a_value_that_does_not_change_for_ten_minutes_is_stuck():
    flags = flag_values(np.full(100, 7.0), T0 + np.arange(100) * 30_000)
    assert [bool(f & Flag.STUCK) for f in flags] == [i >= 29 for i in range(100)]


def test_flags_of_the_node_stay():
    batch = ObservationBatch.from_columns([0], [T0], [5.0], flags=[int(Flag.WARM_UP)])
    _, after = Flagger().flag(Flagger().initial(REGISTRY), batch, REGISTRY)
    assert after.flags.tolist() == [Flag.WARM_UP]


def test_the_given_states_are_not_changed():
    flagger = Flagger()
    states = flagger.initial(REGISTRY)
    flagger.flag(states, ObservationBatch.from_columns([0], [T0], [5.0]), REGISTRY)
    assert states.tobytes() == flagger.initial(REGISTRY).tobytes()
