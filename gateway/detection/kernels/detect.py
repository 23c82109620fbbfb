"""The detector's loop over readings; the package's docstring has the formulas."""

import math
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from gateway.detection.kernels.baseline import (
    EXCLUDED_MASK,
    WARM_UP_READINGS,
    compute_step_sizes,
    exponential_steps,
    outlier_until,
    start_background,
)
from gateway.detection.kernels.cache_invalidation import remove_stale_cache
from gateway.detection.kernels.common_mode import (
    MAX_AGE_MS,
    MIN_FOR_QUARTILES,
    SMALL_GROUP,
    compute_min_excess,
    update_common_mode,
)
from gateway.detection.kernels.corroboration import RISE_NOISE, add_neighbours, note_rise
from gateway.detection.kernels.event_lifecycle import (
    accumulate_own_wind,
    accumulate_wind,
    apply_change,
    begin_second_plume,
    follow_reading,
    report_candidate,
)
from gateway.detection.kernels.gaps import (
    MAX_GAP_MS,
    MIN_SILENCE_MS,
    end_silent_episode,
    end_silent_members,
    follow_excluded_reading,
    handle_silence,
    report_invalid_readings,
    restart_limit,
    silence_limit,
)
from gateway.detection.kernels.judge import RESTLESS_NOISE, TRACE_COLUMNS, note_excess
from gateway.detection.kernels.outliers import has_tail, resolve_outlier
from gateway.detection.kernels.prefetch import PREFETCH_DISTANCE, PREFETCH_MIN_STREAMS, prefetch
from gateway.detection.kernels.quartiles import MAX_VALUES
from gateway.detection.kernels.regional import follow_regional
from gateway.detection.kernels.scored_row import ScoredRow
from gateway.detection.records import DECIDED, RENEWED, DecisionTrees, KernelRows, StateArrays, Topology

_FAST_FALL_Z = 1.5  # a reading so many times the noise below the background speeds up its fall
_MAX_WIND_AGE_MS = 5 * 60_000  # ms: an older wind of the area is not that of this reading
JUDGED_GAP_MS = 30_000  # ms: finer streams have no judge, as there is no labelled recording of one
LONGEST_INTERVAL_MS = 20 * 60_000  # ms: readings that are farther apart show no short peak
_SKIP_MARGIN = 0.999  # below this share of the drift C stays 0, however the quotient is rounded


@njit(nogil=True, cache=True, error_model="numpy")
def update_wind(w: Any, wind: NDArray[np.float32], row: int, at: int) -> None:
    """Update an area's mean wind, unless the row has no wind or is older."""
    if np.isnan(wind[row, 0]) or at < w.at:
        return
    weight, _ = exponential_steps((at - w.at) * (1 / 600_000), 0.0)
    weight = 1.0 if at - w.at > MAX_AGE_MS else weight
    w.east += weight * (wind[row, 0] - w.east)
    w.north += weight * (wind[row, 1] - w.north)
    w.speed += weight * (wind[row, 2] - w.speed)
    w.at = at


@njit(nogil=True, cache=True, error_model="numpy")
def detect_rows(
    state: StateArrays,
    topology: Topology,
    parameters: NDArray[np.void],
    judge: DecisionTrees,
    rows: KernelRows,
    changes: NDArray[np.void],
) -> int:
    """Update the state in place, write changes of events into `changes`, return their number.

    parameters (2 properties,) PARAMETERS, of each property those of fine streams and those of streams that the judge
    may judge; changes: as `records.allocate_changes` returns. Readings that are not finite,
    or not newer than the last one of their datastream, leave the state unchanged.
    """
    change_count = 0
    scratch, features = np.empty(MAX_VALUES), np.zeros(TRACE_COLUMNS)
    # local names: numba then counts no reference per reading
    streams, events, members = state.streams, state.events, topology.members
    has_wind = len(rows.wind) > 0
    use_prefetch = len(streams) > PREFETCH_MIN_STREAMS
    last_gap_ms, interval_ms, last_parameter_index = -1, 0, np.uint64(0)
    p = parameters[0]
    cusum_weight = fast_cusum_weight = background_step = falling_step = noise_step = 0.0
    for i in range(len(rows.value)):
        if use_prefetch and i + PREFETCH_DISTANCE < len(rows.value):
            prefetch(streams, rows.slots[np.uint64(i + PREFETCH_DISTANCE)])
        row = np.uint64(i)  # unsigned: numba omits the check for a negative index
        slot = int(rows.slots[row])
        slot_index = np.uint64(slot)
        group = np.uint64(topology.group_of[slot_index])
        s, e, g = streams[slot_index], events[slot_index], state.groups[group]
        at, flags, value = rows.at[row], rows.flags[row], rows.value[row]
        if has_wind and not topology.is_guest[slot_index]:
            update_wind(state.winds[topology.area_of[group]], rows.wind, i, at)
        gap_ms = at - s.at
        is_coarse = s.count > 0 and gap_ms >= JUDGED_GAP_MS and (s.gap_ms >= JUDGED_GAP_MS // 2 or s.gap_ms == 0)
        parameter_index = np.uint64(2 * topology.property_of[group] + (1 if is_coarse else 0))
        if flags & EXCLUDED_MASK or s.count == 0 or at <= s.at or not abs(value) < np.inf:
            change_count = follow_excluded_reading(
                state, topology, parameters[parameter_index], slot, at, value, flags, i, changes, change_count
            )
            continue
        age_ms = at - s.first_at
        if parameter_index != last_parameter_index or gap_ms != last_gap_ms or age_ms < p.settling_ms:
            p = parameters[parameter_index]  # only here: a reading with the same gap does not wait for this load
            if gap_ms > MIN_SILENCE_MS and gap_ms > silence_limit(s):
                change_count = handle_silence(state, topology, slot, at, i, changes, change_count)
                if gap_ms > restart_limit(s):
                    start_background(s, e, p, at, value * p.polarity)
                    last_gap_ms = -1
                    continue
            interval_ms = gap_ms if gap_ms < MAX_GAP_MS else MAX_GAP_MS
            cusum_weight, fast_cusum_weight, background_step, falling_step, noise_step = compute_step_sizes(
                p, gap_ms, age_ms
            )
            last_gap_ms = gap_ms if age_ms >= p.settling_ms and gap_ms <= MIN_SILENCE_MS else -1
            last_parameter_index = parameter_index
        if p.on == 0.0:
            continue
        x = value * p.polarity
        background = s.background
        previous_x = background + s.residual
        s.at = at
        s.gap_ms = interval_ms if s.gap_ms == 0 or interval_ms < 2 * s.gap_ms else 2 * s.gap_ms
        s.count += 1
        residual = x - background
        s.residual = residual
        noise_floor = p.noise_absolute + p.noise_relative * abs(background)
        variance = s.variance  # a local is not loaded from memory again
        own_noise_squared = variance + noise_floor * noise_floor
        own_noise = math.sqrt(own_noise_squared)
        if residual > p.smallest_event and residual > RISE_NOISE * own_noise and s.count > WARM_UP_READINGS:
            rise_floor = p.event_noise + p.noise_relative * abs(background)  # that of an event, not of a candidate
            if residual * residual > RISE_NOISE * RISE_NOISE * (variance + rise_floor * rise_floor):
                note_rise(e, at)
        first_change = change_count
        noise, level, common_part = own_noise, background, 0.0
        group_size = topology.offsets[group + np.uint64(1)] - topology.offsets[group]
        if group_size > 1 and g.silent_at > 0 and at > g.silent_at:
            change_count = end_silent_members(state, topology, int(group), at, i, changes, change_count)
        own_size = topology.own_ends[group] - topology.offsets[group]
        if own_size > 2:
            share = p.share
            is_guest = topology.is_guest[slot_index]  # it uses the common mode of the others and never changes it
            g.reading_count += 0 if is_guest else 1
            if not is_guest and (own_size <= SMALL_GROUP or g.reading_count >= g.due_count):
                excluded = slot if own_size <= SMALL_GROUP else -1
                fresh_count = update_common_mode(
                    g, streams, members, topology.offsets[group], own_size, excluded, at, p.lift, scratch
                )
                share = p.few_share if own_size <= SMALL_GROUP and fresh_count < MIN_FOR_QUARTILES else share
                if g.common > own_noise or g.cusum > 0.0 or g.revision > 0:
                    if at - g.at > MIN_SILENCE_MS and at - g.at > silence_limit(s):
                        change_count = end_silent_episode(state, topology, int(group), i, changes, change_count)
                    change_count = follow_regional(
                        state, topology, p, slot, own_noise, fresh_count, i, changes, change_count
                    )
                else:
                    g.at = at
            common = g.common
            noise = math.sqrt(own_noise_squared + (p.spread * g.spread) * (p.spread * g.spread))
            if common > 0.0:
                if common > 2 * own_noise and common > p.smallest:
                    s.gain += 0.02 * (min(max(s.residual / common, 0.3), 2.0) - s.gain)
                level += share * s.gain * common
            common_part = s.gain * common  # the common mode at this station
        excess = x - level
        learning_factor = 1.0
        # If C is 0 and stays 0, none of this changes anything: nearly always so.
        if s.cusum > 0.0 or excess > _SKIP_MARGIN * p.drift * noise or s.revision > 0 or s.outlier_count > 0:
            if s.outlier_count > 0 and e.outlier_flags != 0:
                change_count = report_invalid_readings(state, topology, slot, at, i, changes, change_count)
            z = excess / noise
            if z > RESTLESS_NOISE and p.judged > 0.0:
                note_excess(e, at, interval_ms)
            previous_cusum = s.cusum
            cusum = previous_cusum + (fast_cusum_weight if z >= p.quick else cusum_weight) * (
                (z if z < p.clip else p.clip) - p.drift
            )
            cusum = 0.0 if cusum < 0.0 or s.gap_ms > LONGEST_INTERVAL_MS else cusum
            cusum = cusum if cusum < 4 * p.threshold else 4 * p.threshold
            s.cusum = cusum
            if cusum > 0.0 or s.revision > 0 or s.outlier_count > 0:
                twin = topology.twin_of[slot_index]
                min_excess = p.smallest
                if cusum > p.threshold and p.smallest_among > min_excess and s.revision == 0:
                    min_excess = compute_min_excess(state, topology, p, slot, at)
                    e.peak_at = at if excess > p.smallest else e.peak_at  # neighbours count it, reported or not
                r = ScoredRow(
                    i, slot, at, x, flags, level, noise, excess, z, previous_cusum, previous_x, twin >= 0, min_excess
                )
                is_tail = s.outlier_count > 0 and has_tail(s, e, p, r)
                if cusum > 0.0 or s.revision > 0 or is_tail:
                    change_code = follow_reading(s, e, g, streams[twin if twin >= 0 else slot], p, r, is_tail)
                    w = state.winds[topology.area_of[group]]
                    if has_wind and not np.isnan(rows.wind[i, 0]):
                        accumulate_own_wind(e, w, rows.wind, i)
                    elif w.at > 0 and abs(at - w.at) <= _MAX_WIND_AGE_MS:
                        accumulate_wind(e, w.east, w.north, w.speed)
                    if change_code == RENEWED:
                        change_count += begin_second_plume(changes[change_count], s, e, g, p, r)
                    elif change_code:
                        change_count += apply_change(changes[change_count], change_code, s, e, g, r)
                    if s.revision > 0 and (p.judged > 0.0 or e.is_reported != DECIDED):
                        change_count += report_candidate(
                            changes[change_count], judge, rows.trace, state, topology, p, r, own_noise, features
                        )
                if s.outlier_count > 0 and outlier_until(e) != at:
                    change_count += resolve_outlier(changes[change_count], s, e, g, p, r)
                learning_factor = p.freeze if s.revision > 0 else 1.0 / (1.0 + p.hold * s.cusum)
                background = s.background
        if change_count > first_change:
            for k in range(first_change, change_count):
                if changes[k].no_data == 0:
                    add_neighbours(changes[k], state, topology)
        clipped = min(max(x - background, -p.fall_limit * own_noise), p.rise_limit * own_noise)
        square = clipped * clipped
        unexplained = residual - common_part  # computed without `if`, which costs a quarter more
        unexplained_square = unexplained * unexplained
        square = unexplained_square if unexplained_square < square else square
        s.background = (
            background
            + learning_factor * (falling_step if clipped < -_FAST_FALL_Z * own_noise else background_step) * clipped
        )
        s.variance = variance + learning_factor * noise_step * (square - variance)
    return change_count


remove_stale_cache(detect_rows)
