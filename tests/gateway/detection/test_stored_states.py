"""States of some datastreams are chosen without a change, and groups name their datastreams by the new places."""

import numpy as np
import pytest

from gateway.detection.stored_states import STATE, choose_parts, choose_states, place_states


def make_states(count):
    """States of datastreams 10, 11, ...; the group of each names the last one."""
    states = np.zeros(count, STATE)
    states["stream"]["background"] = np.arange(count)
    states["group"]["slot"] = count - 1
    return states.tobytes(), [10 + place for place in range(count)]


def test_chosen_states_are_in_the_order_of_the_choice():
    states, ids = make_states(4)
    chosen = np.frombuffer(choose_states(states, ids, [13, 11]), STATE)
    assert chosen["stream"]["background"].tolist() == [3.0, 1.0]
    assert chosen["group"]["slot"].tolist() == [0, 0], "datastream 13 is the first of them"
    assert choose_parts(b"aabbccdd", ids, [13, 11]) == b"ddbb"


def test_a_choice_of_all_changes_nothing():
    states, ids = make_states(3)
    assert choose_states(states, ids, ids) == states


def test_states_are_placed_by_slot():
    states, ids = make_states(3)
    placed = place_states(states, ids, {10: 7, 12: 2})
    assert sorted(placed) == [2, 7]
    assert np.frombuffer(placed[7], STATE)["group"]["slot"].tolist() == [2]


@pytest.mark.parametrize("slot", [-1, 3, 2**62])
def test_a_group_that_names_a_datastream_outside_is_refused(slot):
    states = np.frombuffer(make_states(3)[0], STATE).copy()
    states["group"]["slot"][1] = slot
    with pytest.raises(ValueError, match="a group names a datastream that the states do not have"):
        place_states(states.tobytes(), [10, 11, 12], {10: 0})


@pytest.mark.parametrize(("states", "ids"), [(b"x" * 10, [1]), (b"", [1]), (b"\0" * 2 * STATE.itemsize, [1, 1])])
def test_bytes_that_are_no_states_are_refused(states, ids):
    with pytest.raises(ValueError, match="are no states of"):
        choose_states(states, ids, ids[:1])
