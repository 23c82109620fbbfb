"""Sound, odour and vibration: read from their senders, averaged by their own rules, shown, and detected on."""

import json
import math
from datetime import UTC, datetime

import psycopg
import pytest

from alerting.averaging import AveragingRule, average_values, average_weighted
from gateway.adapters.foreign import ForeignMessage
from gateway.adapters.formats import read_message
from gateway.adapters.mapping import FieldMapping, MappedValue
from gateway.model.properties import PROPERTIES
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import T0

MINUTE_MS = 60_000


def read_values(body, format_name, mapping=None):
    (reading,) = read_message(ForeignMessage(body=json.dumps(body).encode()), format_name, mapping)
    return dict(reading.values), dict(reading.flags)


def test_airrohr_gives_three_levels_of_sound():
    items = {"DNMS_noise_LAeq": "51.20", "DNMS_noise_LA_min": "44.1", "DNMS_noise_LA_max": "130", "samples": "5"}
    body = {
        "esp8266id": "123",
        "sensordatavalues": [{"value_type": name, "value": value} for name, value in items.items()],
    }
    values, flags = read_values(body, "airrohr")
    assert values == {"sound_laeq": 51.2, "sound_lmin": 44.1, "sound_lmax": 130.0}
    assert list(flags) == ["sound_lmax"]  # above the overload point of its microphone


def test_an_e_nose_comes_by_a_mapping():
    index = MappedValue(path="$.channels[0].index", factor=0.1)
    mapping = FieldMapping(device="$.nose", values={"odour_index": index})
    values, _ = read_values({"nose": "n7", "channels": [{"index": 123}]}, "json", mapping)
    assert values == {"odour_index": pytest.approx(12.3)}


def test_vibration_comes_by_senml_in_its_own_unit():
    records = [{"bn": "quay/", "n": "vibration", "u": "m/s", "v": 0.0012}]
    values, _ = read_values(records, "senml")
    assert values == {"vibration": pytest.approx(1.2)}


SERIES = {
    "sound_laeq": ([60.0] * 59 + [90.0], AveragingRule.ENERGY),
    "sound_lmax": ([60.0] * 30 + [80.0] * 30, AveragingRule.ENERGY),
    "sound_lmin": ([30.0] * 60, AveragingRule.ENERGY),
    "vibration": ([0.1] * 59 + [3.0], AveragingRule.QUADRATIC),
    "odour_index": ([4.0] * 59 + [64.0], AveragingRule.ARITHMETIC),
}


@pytest.fixture
async def measured(database, node, pipeline):
    """Two minutes of every property, a value a second; the second minute has one impossible value of each."""
    for minute in range(2):
        values = {name: list(series) for name, (series, _) in SERIES.items()}
        if minute == 1:
            for column in values.values():
                column[7] = 1e7
        start = T0 + minute * MINUTE_MS
        payload = node.payload(
            minute + 1,
            t0=start,
            dt=[1_000 * i for i in range(60)],
            values=values,
            received_at=datetime.fromtimestamp(start / 1000 + 61, UTC),
        )
        await pipeline.process([payload])
    return database


MEANS = """SELECT d.property_id, m.bucket, m.count, m.valid_count, m.mean, m.min, m.max
           FROM {function}((SELECT array_agg(id) FROM datastream), {period}) m
           JOIN datastream d ON d.id = m.datastream_id
           ORDER BY 1, 2"""


def fetch_means(dsn, function, *more):
    period = ", ".join([f"to_timestamp({T0 / 1000 - 90_000})", f"to_timestamp({T0 / 1000 + 90_000})", *more])
    with psycopg.connect(dsn) as connection:
        return connection.execute(MEANS.format(function=function, period=period)).fetchall()


def average_plainly(values, name):
    """The textbook formulas."""
    if name.startswith("sound"):
        return 10 * math.log10(sum(10 ** (value / 10) for value in values) / len(values))
    if name == "vibration":
        return math.sqrt(sum(value**2 for value in values) / len(values))
    return sum(values) / len(values)


async def test_each_property_is_averaged_by_its_own_rule_in_minutes_hours_and_days(measured):
    minutes = fetch_means(measured, "means_1min")
    assert [row[0] for row in minutes] == sorted([*SERIES, *SERIES])
    for name, (series, rule) in SERIES.items():
        assert PROPERTIES[name].averaging is rule
        first, second = (row for row in minutes if row[0] == name)
        valid_series = series[:7] + series[8:]
        assert first[4] == pytest.approx(average_plainly(series, name))
        assert second[3:5] == (59, pytest.approx(average_plainly(valid_series, name)))
        assert (second[5], second[6]) == (min(valid_series), max(valid_series))
        for rows in (fetch_means(measured, "means_1h"), fetch_means(measured, "means_1day", "'Europe/Amsterdam'")):
            ((count, valid, mean),) = ((row[2], row[3], row[4]) for row in rows if row[0] == name)
            assert (count, valid) == (120, 119)
            assert mean == pytest.approx(average_plainly(series + valid_series, name))


@pytest.mark.parametrize("rule", AveragingRule)
def test_a_weighted_mean_is_that_of_all_values(rule):
    values = [0.4, 3.0, 55.0, 3.0]
    whole = average_values(values, rule)
    halves = [(average_values(values[:1], rule), 1.0), (average_values(values[1:], rule), 3.0)]
    assert average_weighted(halves, rule) == pytest.approx(whole)


async def test_pages_and_newest_values_use_the_same_rule(measured, broker):
    async with running_api(measured, broker, replay=True) as (client, _):
        newest = (await client.get("/api/v1/stations/wijk-aan-zee")).json()["properties"]["newest"]
        series = SERIES["sound_laeq"][0]
        assert newest["sound_laeq"]["mean"] == pytest.approx(average_plainly(series[:7] + series[8:], "sound_laeq"))
        assert newest["vibration"]["mean"] == pytest.approx(average_plainly([0.1] * 58 + [3.0], "vibration"))
        page = (await client.get("/nl/stations/wijk-aan-zee?property=sound_laeq")).text
        assert "geluid LAeq" in page
        assert "trilling (snelheid)" in page
        assert "geur (index van een e-nose)" in page


PEAKS = {
    "sound_laeq": (lambda second: 52.0 + 2.0 * math.sin(second), 86.0),
    "odour_index": (lambda second: 6.0 + 0.5 * math.sin(second), 55.0),
    "vibration": (lambda second: 0.05 + 0.01 * math.sin(second), 2.4),
}


@pytest.mark.parametrize("name", PEAKS)
async def test_a_peak_of_each_is_detected_and_calm_air_has_none(name, database, node, pipeline):
    calm, height = PEAKS[name]
    for batch in range(60):
        seconds = range(batch * 10, batch * 10 + 10)
        values = [height if 480 <= second < 500 else calm(second) for second in seconds]
        start = T0 + batch * 10_000
        payload = node.payload(
            batch + 1,
            t0=start,
            dt=[1_000 * i for i in range(10)],
            values={name: values},
            received_at=datetime.fromtimestamp(start / 1000 + 11, UTC),
        )
        await pipeline.process([payload])
    with psycopg.connect(database) as connection:
        events = connection.execute(
            "SELECT property_id, peak, onset, severity FROM event WHERE kind = 'peak'"
        ).fetchall()
    assert [(row[0], row[1]) for row in events] == [(name, height)]
    assert abs(events[0][2].timestamp() * 1000 - (T0 + 480_000)) <= 2_000
    assert events[0][3] in {"moderate", "severe", "extreme"}
