"""Peaks are drawn by names and sized by the stream; figures say how sure they are."""

from datetime import UTC, datetime

import numpy as np
import pytest

from gateway.detection.analyzer import Senses
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings, PeakSettings
from gateway.evaluation.selftest.injection import Trial, nominal
from gateway.evaluation.selftest.injection_plan import HOUR, draw, relative, sized
from gateway.evaluation.selftest.outcome import Outcome
from gateway.evaluation.selftest.settings import SelfTestSettings
from gateway.evaluation.selftest.statistics import wilson
from gateway.quality.flagger import Flagger
from tests.laws import T0, registry_of, weather

AT = datetime(2026, 11, 21, 3, tzinfo=UTC)
STREAMS = registry_of(5).datastreams


def test_the_same_hour_draws_the_same_whatever_the_order_and_another_hour_others():
    drawn = draw(AT, "a", STREAMS, SelfTestSettings())
    assert draw(AT, "a", STREAMS[::-1], SelfTestSettings()) == drawn
    assert [one.copy for one in drawn] == [0, 1, 2, 3]
    assert draw(AT.replace(hour=4), "a", STREAMS, SelfTestSettings()) != drawn
    assert draw(AT, "b", STREAMS, SelfTestSettings()) != drawn
    assert draw(AT, "a", [], SelfTestSettings()) == []


@pytest.mark.parametrize("shape", [1.6, 2.5, 4.0])
def test_a_peak_stands_above_a_tenth_from_onset_to_end_and_nowhere_else(shape):
    at = np.arange(-600_000, 4_000_000, 1_000)
    height = relative(at, 0, 600_000, shape)
    above = at[height > 0.1]
    assert above.min() == pytest.approx(0, abs=3_000)
    assert above.max() == pytest.approx(600_000, abs=3_000)
    assert height.max() == pytest.approx(1, abs=1e-3)
    assert (height >= 0).all()


@pytest.mark.parametrize("step", [1, 10, 60, 150])
def test_a_peak_is_as_high_as_the_streams_own_noise_says(step):
    hour = int(AT.timestamp() * 1000)
    at = np.arange(hour - HOUR, hour + 2 * HOUR, step * 1000)
    value = 8 + np.random.default_rng(1).normal(0, 2.0, len(at))
    for one in draw(AT, "a", STREAMS, SelfTestSettings(copies=20)):
        peak = sized(one, hour, at, value, 0.1)
        assert peak.height == pytest.approx(2.0 * one.multiple, rel=0.5)
        assert 0 < peak.seen <= peak.height
        assert hour <= peak.onset < hour + HOUR
        assert peak.end - peak.onset >= max(120_000, 3_000 * step)
        assert sized(one, hour, at, np.full(len(at), 8.0), 0.1).height == pytest.approx(0.1 * one.multiple)
        assert sized(one, hour, at[:5], value[:5], 0.1) is None


def test_how_the_rows_are_cut_changes_no_verdict():
    registry, rows = registry_of(3), weather(3, 600, step=30.0)
    hour = T0 + 2 * HOUR
    senses = Senses(flagger=Flagger(), detector=Detector(DetectionSettings()))

    def verdicts(cuts):
        peaks = []
        for one in draw(AT, "a", registry.datastreams, SelfTestSettings(copies=8)):
            mine = rows.datastream == one.stream.slot
            peaks.append(sized(one, hour, rows.observed_at[mine], rows.value[mine], 0.37))
        trial = Trial(senses, DetectionSettings(), senses.initial(registry), hour=hour, peaks=peaks)
        for begin, end in zip([0, *cuts], [*cuts, len(rows)], strict=True):
            trial.take(rows[begin:end])
        return trial.verdicts(), trial.exposures()

    whole = verdicts([])
    assert {v.outcome for v in whole[0]} >= {Outcome.FOUND}
    assert sum(e.sensor_days for e in whole[1]) == pytest.approx(3 / 24, rel=0.02)
    assert verdicts([1, 700, 701, 1_333]) == whole


def test_what_is_not_detected_on_is_not_counted_as_watched():
    registry, rows = registry_of(3), weather(3, 300)
    settings = DetectionSettings(property={"pm2_5": PeakSettings(on=False)})
    senses = Senses(flagger=Flagger(), detector=Detector(settings))
    trial = Trial(senses, settings, senses.initial(registry), hour=T0 + HOUR, peaks=[])
    trial.take(rows)
    assert settings.watched() == {}
    assert trial.exposures() == []


@pytest.mark.parametrize(
    ("found", "of", "low", "high"), [(117, 120, 0.929, 0.991), (0, 10, 0, 0.278), (10, 10, 0.722, 1)]
)
def test_the_interval_is_wilsons(found, of, low, high):
    assert wilson(found, of) == pytest.approx((low, high), abs=1e-3)


def test_of_nothing_nothing_is_known():
    assert wilson(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(("milliseconds", "seconds"), [(1_100, 1), (10_000, 10), (61_000, 60), (148_000, 150), (0, 1)])
def test_an_interval_is_called_by_its_usual_name(milliseconds, seconds):
    assert nominal(milliseconds) == seconds
