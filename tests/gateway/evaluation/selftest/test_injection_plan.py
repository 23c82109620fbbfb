"""Peaks are drawn by names and sized by the stream; figures say how sure they are."""

from datetime import UTC, datetime

import numpy as np
import pytest

from gateway.detection.analyzer import Analyzer
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.evaluation.selftest.injection import InjectionTrial, nominal_interval
from gateway.evaluation.selftest.injection_plan import HOUR_MS, draw_peaks, pulse_shape, size_peak
from gateway.evaluation.selftest.outcome import PeakOutcome
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.selftest.statistics import wilson_interval
from gateway.quality.flagger import Flagger
from tests.laws import T0, build_registry, simulate_observations

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
STREAMS = build_registry(5).datastreams


def test_the_same_hour_draws_the_same_whatever_the_order_and_another_hour_others():
    drawn = draw_peaks(AT, "a", STREAMS, SelfTestSettings())
    assert draw_peaks(AT, "a", STREAMS[::-1], SelfTestSettings()) == drawn
    assert [one.copy for one in drawn] == [0, 1, 2, 3]
    assert draw_peaks(AT.replace(hour=4), "a", STREAMS, SelfTestSettings()) != drawn
    assert draw_peaks(AT, "b", STREAMS, SelfTestSettings()) != drawn
    assert draw_peaks(AT, "a", [], SelfTestSettings()) == []


@pytest.mark.parametrize("shape", [1.6, 2.5, 4.0])
def test_a_peak_stands_above_a_tenth_from_onset_to_end_and_nowhere_else(shape):
    at = np.arange(-600_000, 4_000_000, 1_000)
    height = pulse_shape(at, 0, 600_000, shape)
    above = at[height > 0.1]
    assert above.min() == pytest.approx(0, abs=3_000)
    assert above.max() == pytest.approx(600_000, abs=3_000)
    assert height.max() == pytest.approx(1, abs=1e-3)
    assert (height >= 0).all()


@pytest.mark.parametrize("step", [1, 10, 60, 150])
def test_a_peak_is_as_high_as_the_streams_own_noise_says(step):
    hour = int(AT.timestamp() * 1000)
    at = np.arange(hour - HOUR_MS, hour + 2 * HOUR_MS, step * 1000)
    value = 8 + np.random.default_rng(1).normal(0, 2.0, len(at))
    for one in draw_peaks(AT, "a", STREAMS, SelfTestSettings(copies=20)):
        peak = size_peak(one, hour, at, value, 0.1)
        assert peak.height == pytest.approx(2.0 * one.multiple, rel=0.5)
        assert 0 < peak.sampled_height <= peak.height
        assert hour <= peak.onset < hour + HOUR_MS
        assert peak.end - peak.onset >= max(120_000, 3_000 * step)
        assert size_peak(one, hour, at, np.full(len(at), 8.0), 0.1).height == pytest.approx(0.1 * one.multiple)
        assert size_peak(one, hour, at[:5], value[:5], 0.1) is None


def test_how_the_rows_are_cut_changes_no_verdict():
    registry, rows = build_registry(3), simulate_observations(3, 600, step=30.0)
    hour = T0 + 2 * HOUR_MS
    senses = Analyzer(flagger=Flagger(), detector=Detector(DetectionSettings()))

    def verdicts(cuts):
        peaks = []
        for one in draw_peaks(AT, "a", registry.datastreams, SelfTestSettings(copies=8)):
            mine = rows.datastream == one.stream.slot
            peaks.append(size_peak(one, hour, rows.observed_at[mine], rows.value[mine], 0.37))
        trial = InjectionTrial(senses, DetectionSettings(), senses.initial(registry), hour=hour, peaks=peaks)
        for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            trial.feed(rows[begin:end])
        return trial.peak_results(), trial.exposures()

    whole = verdicts([])
    assert {v.outcome for v in whole[0]} >= {PeakOutcome.FOUND}
    assert sum(e.sensor_days for e in whole[1]) == pytest.approx(3 / 24, rel=0.02)
    assert verdicts([1, 700, 701, 1_333]) == whole


def test_what_is_not_detected_on_is_not_counted_as_watched():
    registry, rows = build_registry(3), simulate_observations(3, 300)
    settings = DetectionSettings(property={"pm2_5": PeakSettings(on=False)})
    senses = Analyzer(flagger=Flagger(), detector=Detector(settings))
    trial = InjectionTrial(senses, settings, senses.initial(registry), hour=T0 + HOUR_MS, peaks=[])
    trial.feed(rows)
    assert settings.enabled_properties() == {}
    assert trial.exposures() == []


@pytest.mark.parametrize(
    ("found", "of", "low", "high"), [(117, 120, 0.929, 0.991), (0, 10, 0, 0.278), (10, 10, 0.722, 1)]
)
def test_the_interval_is_wilsons(found, of, low, high):
    assert wilson_interval(found, of) == pytest.approx((low, high), abs=1e-3)


def test_of_nothing_nothing_is_known():
    assert wilson_interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1_100, 1), (10_000, 10), (61_000, 60), (148_000, 150), (0, 1)])
def test_an_interval_is_called_by_its_usual_name(milliseconds, seconds):
    assert nominal_interval(milliseconds) == seconds
