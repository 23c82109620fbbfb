import gc
import weakref
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_agent.wire import Flag
from gateway.detection.detector import Detector
from gateway.detection.kernels.cache_invalidation import remove_stale_cache
from gateway.detection.kernels.quartiles import MAX_VALUES, compute_quartiles
from gateway.detection.neighbours import build_neighbour_groups
from gateway.detection.records import EVENT, STREAM
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.model.event import EventChange, EventKind
from gateway.model.observation import ObservationBatch
from tests.laws import T0, build_registry, check_detector, run_detector, simulate_observations
from tests.naive import NaiveDetector


def detector(**changes):
    return Detector(DetectionSettings(property={"pm2_5": PeakSettings(**changes)}))


def stream(values, step=1.0, **columns):
    n = len(values)
    at = T0 + (np.arange(n) * step * 1000).astype(np.int64)
    return ObservationBatch.from_columns(np.zeros(n, int), at, np.asarray(values, float), **columns)


def peaks(events):
    return [event for event in events if event.kind is EventKind.PEAK]


def quiet(n, seed=1):
    return 8 + np.random.default_rng(seed).normal(0, 0.3, n)


def test_the_shipped_detector_keeps_every_law():
    check_detector(Detector(DetectionSettings()))


def test_a_state_is_small():
    assert STREAM.itemsize + EVENT.itemsize <= 256


_VALUE = st.one_of(
    st.floats(0, 60), st.floats(0, 60), st.sampled_from([0.0, 7.0, 7.0, 300.0, float("nan"), float("inf")])
)


@settings(max_examples=150, deadline=None)
@given(
    values=st.lists(_VALUE, min_size=30, max_size=150),
    gaps=st.lists(st.sampled_from([0, 1_000, 1_000, 60_000, 150_000, 9_000_000]), min_size=150, max_size=150),
)
def test_the_kernel_is_its_naive_twin(values, gaps):
    chosen = PeakSettings(threshold=2.5, clip=2.4)
    at = T0 + np.cumsum(gaps[: len(values)])
    batch = ObservationBatch.from_columns(np.zeros(len(values), int), at, values)
    levels = (5.0, 15.0, 30.0, 40.0)
    found = peaks(
        run_detector(Detector(DetectionSettings(property={"pm2_5": chosen})), batch, build_registry(1, severity=levels))
    )
    twin = NaiveDetector(chosen, levels[1:])
    expected = [told for t, v in zip(at, values, strict=True) for told in twin.process_reading(int(t), v)]
    assert [(e.change.value, e.revision) for e in found] == [(name, e["revision"]) for name, e in expected]
    for event, (_, other) in zip(found, expected, strict=True):
        assert event.onset.timestamp() * 1000 == pytest.approx(other["onset"])
        assert event.peak == pytest.approx(other["peak"])
        assert event.background == pytest.approx(other["peak_background"])
        assert event.noise == pytest.approx(other["peak_noise"])


@pytest.mark.parametrize("step", [1, 10, 60, 150])
def test_a_plume_is_found_at_any_sampling_interval(step):
    length = max(3, 300 // step)
    values = quiet(400)
    values[200 : 200 + length] += 40
    opened = [
        e for e in run_detector(detector(), stream(values, step), build_registry(1)) if e.change is EventChange.OPENED
    ]
    assert len(opened) == 1
    onset = (opened[0].onset.timestamp() * 1000 - T0) / 1000
    assert abs(onset - 200 * step) <= 2 * step
    assert opened[0].detected_at.timestamp() * 1000 - T0 <= (200 * step + max(30, 2 * step)) * 1000
    assert opened[0].confidence > 0.5


def test_a_minute_after_a_cold_start_a_plume_is_found_within_seconds():
    values = quiet(90)
    values[30:50] += 80
    (opened, *_, ended) = run_detector(detector(), stream(values), build_registry(1))
    assert opened.detected_at.timestamp() * 1000 - T0 <= 42_000
    assert ended.change is EventChange.ENDED
    assert ended.end.timestamp() * 1000 - T0 == pytest.approx(50_000, abs=2_000)
    assert ended.excess == pytest.approx(80, rel=0.1)


@pytest.mark.parametrize("step", [1, 60, 150])
def test_a_glitch_of_one_reading_opens_nothing(step):
    values = quiet(400)
    values[200] += 900
    (noted,) = run_detector(detector(), stream(values, step), build_registry(1))
    assert (noted.kind, noted.change) == (EventKind.GLITCH, EventChange.ENDED)
    assert "single_reading" in noted.reasons
    assert noted.confidence < 0.1
    assert noted.excess == pytest.approx(900, rel=0.01)


@pytest.mark.parametrize(("step", "tail", "after"), [(60, 0.4, 1), (150, 0.4, 2), (150, 2.6, 1)])
def test_a_plume_that_one_reading_saw_is_known_by_its_tail(step, tail, after):
    values = 8 + np.random.default_rng(1).normal(0, 0.1, 400)
    values[199:204] = 8.0
    values[200:202] += 30, tail
    (opened, ended) = peaks(run_detector(detector(), stream(values, step), build_registry(1)))
    assert (opened.change, ended.change) == (EventChange.OPENED, EventChange.ENDED)
    assert opened.detected_at.timestamp() * 1000 - T0 == (200 + after) * step * 1000
    assert opened.onset.timestamp() * 1000 - T0 == 200 * step * 1000
    assert opened.excess == pytest.approx(30, rel=0.02)


@pytest.mark.parametrize(
    ("levels", "heights"),
    [(None, []), ((5, 15, 31.5, 150), [32]), ((5, 31.5, 36.5, 150), [32, 37]), ((5, 6, 7, 8), [])],
)
def test_a_peak_that_grows_into_another_severity_is_told_at_once(levels, heights):
    """From 30 to 37: less than a third more."""
    values = np.full(400, 8.0)
    values[200:230] += 30
    values[210:220] += 2
    values[220:225] += 7
    told = peaks(run_detector(detector(), stream(values, 10), build_registry(1, severity=levels)))
    assert [e.change for e in told] == [EventChange.OPENED, *[EventChange.UPDATED] * len(heights), EventChange.ENDED]
    assert [e.excess for e in told[1:-1]] == pytest.approx(heights, rel=0.03)
    assert told[-1].excess == pytest.approx(37, rel=0.03)


def test_a_step_after_one_high_reading_is_no_tail():
    values = quiet(400)
    values[199:203] = 8.0, 38.0, 8.3, 8.5
    assert peaks(run_detector(detector(), stream(values, 60), build_registry(1))) == []


def area(values, step=60):
    """(readings, streams) as one batch, by time."""
    readings, streams = values.shape
    at = np.repeat(T0 + np.arange(readings) * step * 1000, streams)
    return ObservationBatch.from_columns(np.tile(np.arange(streams), readings), at, values.ravel())


def test_a_peak_far_above_what_all_see_stays_its_station_s():
    rng = np.random.default_rng(1)
    values = 8 + rng.normal(0, 0.3, (300, 8)) + np.clip(np.arange(300) - 200, 0, 20)[:, None]
    values[206:214, 0] += 70
    events = run_detector(Detector(DetectionSettings()), area(values), build_registry(8))
    mine = [event for event in peaks(events) if event.station == "s0"]
    assert mine[0].change is EventChange.OPENED
    assert all(event.change is not EventChange.MERGED for event in mine)


def test_a_plateau_has_its_peak_where_it_was_found_not_where_rounding_says():
    for seed in range(20):
        values = quiet(300, seed) / 16
        values[200:260] = 60.0
        (*_, ended) = peaks(run_detector(detector(), stream(values, 60), build_registry(1)))
        assert ended.peak_at == ended.detected_at


def test_an_episode_that_grows_into_another_severity_is_told_at_once():
    """Of 30 ug/m3 at first, and 34 later: less than a third more."""
    rng = np.random.default_rng(1)
    values = 8 + rng.normal(0, 0.2, (300, 8)) + 30 * (np.arange(300) >= 150)[:, None]
    values[160:] += 4
    changes = {}
    for severity in (None, (5.0, 15.0, 32.0, 150.0)):
        events = run_detector(Detector(DetectionSettings()), area(values, 10), build_registry(8, severity=severity))
        changes[severity] = [e.change for e in events if e.kind is EventKind.REGIONAL]
    assert [*changes.values()] == [[EventChange.OPENED], [EventChange.OPENED, EventChange.UPDATED]]


def test_what_all_see_teaches_no_noise():
    rng = np.random.default_rng(1)
    swing = 10 * np.sin(np.arange(400) / 15)
    values = 30 + rng.normal(0, 0.3, (400, 8)) + swing[:, None]
    noise = []
    for streams in (8, 1):
        probe, registry = Detector(DetectionSettings()), build_registry(streams)
        states, _ = probe.detect(probe.initial(registry), area(values[:, :streams]), registry)
        noise.append(np.sqrt(states.streams["variance"]).max())
    assert noise[0] < noise[1] / 1.8


def test_small_peaks_of_gas_that_wander_from_station_to_station_are_nobody_s():
    rng = np.random.default_rng(1)
    values = 2 + rng.normal(0, 0.03, (200, 8))
    for station, begin in enumerate([120, 124, 128, 132, 136, 140]):
        values[begin : begin + 6, station] += 3.0
    values[146:152, 7] += 12.0
    events = run_detector(Detector(DetectionSettings()), area(values), build_registry(8, "ch4"))
    assert {event.station for event in peaks(events)} == {"s0", "s1", "s7"}


def test_what_was_compiled_of_other_sources_is_forgotten(tmp_path):
    class Kernel:
        class stats:  # noqa: N801 - as numba calls it
            cache_path = str(tmp_path)

    compiled = tmp_path / "rows.detect_rows-1.py311.nbi"
    for known in ("", "of other sources"):
        compiled.write_bytes(b"")
        (tmp_path / "kernels.sha256").write_text(known)
        remove_stale_cache(Kernel)
        assert not compiled.exists()
    compiled.write_bytes(b"")
    remove_stale_cache(Kernel)
    assert compiled.exists()


def test_a_falling_signal_is_a_peak_where_the_sensor_says_so():
    ticks = 30_000 + np.random.default_rng(1).normal(0, 15, 300)
    ticks[150:180] -= 2_000
    (opened, *_) = run_detector(Detector(DetectionSettings()), stream(ticks), build_registry(1, "voc_raw"))
    assert opened.peak < opened.background
    assert opened.excess == pytest.approx(2_000, rel=0.1)


@pytest.mark.parametrize("flag", [Flag.WARM_UP, Flag.CLEANING, Flag.STALE, Flag.SENSOR_FAULT, Flag.OUT_OF_RANGE])
def test_what_a_sick_or_cleaning_sensor_says_opens_nothing(flag):
    values, flags = quiet(300), np.zeros(300, np.int32)
    values[150:200] += 100
    flags[150:200] = flag
    (noted,) = run_detector(detector(), stream(values, flags=flags), build_registry(1))
    assert (noted.kind, noted.change) == (EventKind.SENSOR, EventChange.ENDED)
    assert flag.name.lower() in noted.reasons
    assert noted.confidence < 0.1


def test_late_rows_do_not_touch_live_detection():
    clean = simulate_observations(1, 300)
    late = stream(np.full(100, 500.0))
    late = ObservationBatch.from_columns(late.datastream, late.observed_at, late.value, late=np.ones(100, bool))
    probe = detector()
    registry = build_registry(1)
    states, _ = probe.detect(probe.initial(registry), late, registry)
    assert probe.detect(states, clean, registry)[1] == run_detector(probe, clean, registry)


@pytest.mark.parametrize("streams", [6, 20])
def test_what_the_whole_network_sees_at_once_is_no_peak_of_one_station(streams):
    rng = np.random.default_rng(1)
    readings = 300
    common = np.where(np.arange(readings) >= 200, np.minimum(40, 2.0 * (np.arange(readings) - 200)), 0.0)
    values = 8 + rng.normal(0, 0.3, (readings, streams)) + common[:, None]
    values[240:250, 0] += 60
    at = np.repeat(T0 + np.arange(readings) * 60_000, streams)
    batch = ObservationBatch.from_columns(np.tile(np.arange(streams), readings), at, values.ravel())
    together = run_detector(Detector(DetectionSettings()), batch, build_registry(streams))
    peaks = [e for e in together if e.kind is EventKind.PEAK]
    assert {e.station for e in peaks} == {"s0"}
    assert max(e.confidence for e in peaks) > 0.5
    alone = run_detector(Detector(DetectionSettings()), batch[batch.datastream == 1], build_registry(streams))
    assert alone, "the same station without neighbours takes the episode for its own"


def test_the_name_changes_with_the_settings_and_only_with_them():
    assert detector().name == detector().name
    assert detector().name != detector(drift=1.3).name


@pytest.mark.parametrize("wrong", [{"polarity": 0}, {"clip": 9.0}])
def test_settings_that_cannot_work_are_refused(wrong):
    with pytest.raises(ValueError, match=r"polarity|clip"):
        PeakSettings(**wrong)


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 16, 17, 32])
def test_quartiles_are_numpy_s(count):
    rng = np.random.default_rng(count)
    for values in (rng.normal(0, 3, count), rng.integers(0, 3, count).astype(float), np.full(count, 7.0)):
        scratch = np.zeros(MAX_VALUES)
        scratch[:count] = values
        assert compute_quartiles(scratch, count) == pytest.approx(np.quantile(values, [0.25, 0.5, 0.75]))


@pytest.mark.parametrize("came", [0, 1, 300])
def test_what_is_known_when_datastreams_come_is_what_was_kept_of_it(came):
    """With 300 more the neighbours are parted anew."""
    found, before, after = Detector(DetectionSettings()), build_registry(200), build_registry(200 + came)
    states, _ = found.detect(found.initial(before), simulate_observations(200, 60), before)
    kept = dict(enumerate(map(bytes, found.dump(states, np.arange(200)))))
    grown, loaded = found.grow(states, after), found.load(after, kept)
    assert all(one.tobytes() == other.tobytes() for one, other in zip(grown.arrays, loaded.arrays, strict=True))
    assert states.arrays.groups["reading_count"].any()


def test_many_neighbours_are_grouped_by_where_they_stand():
    around = build_neighbour_groups(build_registry(1000))  # on a line from south to north
    assert sorted(around.members.tolist()) == list(range(1000))
    for begin, end in pairwise(around.offsets):
        assert end - begin <= 256
        assert np.ptp(around.members[begin:end]) == end - begin - 1
    assert {one.id for one in around.properties} == {"pm2_5"}


def test_what_is_worked_out_of_a_registry_lives_as_long_as_it_and_no_longer():
    registries = [build_registry(3) for _ in range(50)]
    first = [build_neighbour_groups(registry) for registry in registries]
    assert all(build_neighbour_groups(registry) is found for registry, found in zip(registries, first, strict=True))
    gone = weakref.ref(first[0])
    del registries, first
    gc.collect()
    assert gone() is None
