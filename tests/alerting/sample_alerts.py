"""Alerts for tests: a peak at Wijk aan Zee, with the changes that a test states."""

from datetime import UTC, datetime, timedelta

from alerting.alert import Alert, Change, Place, Severity

ONSET = datetime(2026, 11, 21, 2, 3, 4, tzinfo=UTC)


def make_alert(revision=1, **changes) -> Alert:
    defaults = {
        "event_id": "7ckljx4okjr6urfo",
        "revision": revision,
        "change": Change.OPENED,
        "area": "ijmond",
        "station": "wijk-aan-zee",
        "place": Place(name="Wijk aan Zee", latitude=52.494, longitude=4.594),
        "observed_property": "pm2_5",
        "property_name": {"nl": "PM2,5", "en": "PM2.5"},
        "unit": "ug/m3",
        "severity": Severity.SEVERE,
        "confidence": 0.93,
        "onset": ONSET,
        "peak_at": ONSET + timedelta(seconds=20),
        "detected_at": ONSET + timedelta(seconds=9),
        "peak": 84.0,
        "background": 8.4,
        "excess": 75.6,
        "detector": "peak@1#0123abcd",
    }
    return Alert(**{**defaults, **changes})


def make_ended_alert(revision=2, **changes) -> Alert:
    return make_alert(revision, **{"change": Change.ENDED, "end": ONSET + timedelta(minutes=12), **changes})
