"""Humidity correction: the published equation, applied only if the humidity is known and within the rule's limits."""

import csv
import io
from datetime import UTC, datetime, timedelta

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.wire import EXCLUDED_FLAGS, Flag
from gateway.model.figures import round_figure
from gateway.model.timestamps import format_instant
from gateway.quality.humidity_correction import (
    CORRECTION_RULES,
    AirHumidity,
    MissingCorrection,
    correct_day,
    correct_for_humidity,
    find_rule,
)
from tests.gateway.api.conftest import api  # noqa: F401 - fixtures
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

START = datetime.fromtimestamp(T0 / 1000, UTC)
PERIOD = {"start": format_instant(START), "end": format_instant(START + timedelta(hours=1))}
PATH = "/api/v1/stations/wijk-aan-zee/observations"
RULE = {"name": "kappa-koehler", "version": 2}


def growth(humidity):
    """Equation 6 of Crilley et al. (2018), as it is printed there."""
    return 1 + (0.3 / 1.65) / (-1 + 1 / (humidity / 100))


@given(st.floats(0, 2_000), st.floats(0.01, 95))
def test_the_rule_is_the_published_one(value, humidity):
    corrected, reason = correct_for_humidity(value, AirHumidity(percent=humidity, flags=0))
    assert corrected == pytest.approx(value / growth(humidity))
    assert reason is None


@pytest.mark.parametrize(
    ("humidity", "factor"),
    [(0.0, 1.0), (50.0, 1.1818), (80.0, 1.7273), (95.0, 4.4545)],
)
def test_corrected_values_of_this_version_never_change(humidity, factor):
    assert correct_for_humidity(100.0, AirHumidity(percent=humidity, flags=0))[0] == pytest.approx(
        100 / factor, rel=1e-4
    )


@pytest.mark.parametrize(
    ("air", "reason"),
    [
        (None, MissingCorrection.NO_HUMIDITY),
        (AirHumidity(percent=None, flags=0), MissingCorrection.NO_HUMIDITY),
        *[
            (AirHumidity(percent=None, flags=int(flag)), MissingCorrection.HUMIDITY_FLAGGED)
            for flag in Flag
            if flag & EXCLUDED_FLAGS
        ],
        (AirHumidity(percent=112.0, flags=0), MissingCorrection.HUMIDITY_FLAGGED),
        (AirHumidity(percent=95.1, flags=0), MissingCorrection.TOO_HUMID),
    ],
)
def test_without_a_valid_humidity_there_is_a_reason_instead_of_a_value(air, reason):
    assert correct_for_humidity(12.0, air) == (None, reason)


@pytest.mark.parametrize("flag", list(Flag))
def test_the_mean_of_the_valid_humidity_readings_corrects_whatever_the_others_were(flag):
    assert correct_for_humidity(12.0, AirHumidity(percent=60.0, flags=int(flag)))[0] == pytest.approx(12 / growth(60.0))


def test_without_a_raw_value_there_is_neither_value_nor_reason():
    assert correct_for_humidity(None, AirHumidity(percent=60.0, flags=0)) == (None, None)
    assert correct_day(None, 0, []) == (None, None)


def test_a_day_is_the_mean_of_its_hours_if_they_hold_enough_of_its_readings():
    assert correct_day(9.0, 200, [(4.0, 100), (8.0, 60), (None, 40)])[0] == pytest.approx(5.5)
    assert correct_day(9.0, 200, [(4.0, 100), (None, 100)]) == (None, MissingCorrection.TOO_FEW_HOURS)


def test_only_particulates_have_a_rule_and_labels_are_unique():
    assert find_rule("voc_raw") is None
    assert find_rule("pm2_5").label == "kappa-koehler@2"
    assert len({rule.label for rule in CORRECTION_RULES}) == len(CORRECTION_RULES)


async def test_json_csv_and_parquet_give_the_corrected_value_beside_the_raw_one(api, pipeline, node):  # noqa: F811
    await ingest_observations(pipeline, node, 180, humidity=lambda s: 80.0 if s < 120 else 97.0)
    query = {**PERIOD, "averaging": "1min"}
    page = (await api.get(PATH, params=query)).json()
    assert page["correction"] == RULE
    last, *dry_minutes = page["items"]
    assert (last["corrected"], last["uncorrected"]) == (None, "too_humid")
    for item in dry_minutes:
        assert item["corrected"] == pytest.approx(item["mean"] / growth(80.0))
    raw = (await api.get(PATH, params={**query, "averaging": "raw"})).json()["items"]
    assert raw[-1]["corrected"] == pytest.approx(raw[-1]["value"] / growth(80.0))
    newest = (await api.get("/api/v1/stations/wijk-aan-zee")).json()["properties"]["newest"]
    assert newest["pm2_5"]["uncorrected"] == "too_humid"
    assert newest["humidity"]["uncorrected"] is None
    for averaging in ("raw", "1min", "1h"):
        query = {**query, "averaging": averaging}
        items = (await api.get(PATH, params=query)).json()["items"][::-1]
        text = (await api.get(PATH, params={**query, "format": "csv"})).text
        for item, row in zip(items, csv.DictReader(io.StringIO(text)), strict=True):
            assert row["corrected"] == ("" if item["corrected"] is None else repr(item["corrected"]))
            assert row["correction"] == ("" if item["corrected"] is None else "kappa-koehler@2")
            assert row["uncorrected"] == (item["uncorrected"] or "")
        table = pq.read_table(io.BytesIO((await api.get(PATH, params={**query, "format": "parquet"})).content))
        assert table["corrected"].to_pylist() == [item["corrected"] for item in items]


async def test_a_day_is_corrected_from_its_hours(api, pipeline, node):  # noqa: F811
    hour = 3_600
    await ingest_observations(pipeline, node, 60, plume=(), humidity=lambda _: 80.0)
    await ingest_observations(
        pipeline, node, 60, plume=range(60), start=T0 + hour * 1000, first_seq=1_000, humidity=lambda _: 40.0
    )
    query = {
        "start": format_instant(START - timedelta(days=1)),
        "end": format_instant(START + timedelta(days=1)),
        "averaging": "1day",
    }
    (item,) = (await api.get(PATH, params=query)).json()["items"]
    assert item["corrected"] == pytest.approx((8.1 / growth(80.0) + 98.1 / growth(40.0)) / 2)
    (row,) = csv.DictReader(io.StringIO((await api.get(PATH, params={**query, "format": "csv"})).text))
    assert float(row["corrected"]) == pytest.approx(item["corrected"])


async def test_a_station_without_humidity_gives_the_reason_and_its_raw_value(api, pipeline, node):  # noqa: F811
    await ingest_observations(pipeline, node, 60)
    newest = (await api.get("/api/v1/stations/wijk-aan-zee")).json()["properties"]["newest"]["pm2_5"]
    assert newest["mean"] == pytest.approx(8.1, abs=0.01)
    assert (newest["corrected"], newest["correction"], newest["uncorrected"]) == (None, None, "no_humidity")


async def test_the_rules_are_described(api):  # noqa: F811
    (rule,) = (await api.get("/api/v1/corrections")).json()["items"]
    assert {"name": rule["name"], "version": rule["version"]} == RULE
    assert rule["parameters"] == {"kappa": 0.3, "density": 1.65, "highestWaterActivity": 0.95}
    assert rule["source"].startswith("https://doi.org/")


@given(
    st.lists(st.integers(0, 9_499).map(lambda number: number / 100), min_size=2, max_size=70),
    st.lists(st.integers(0, 99_999).map(lambda number: number / 100), min_size=2, max_size=70),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_readings_are_added_changes_no_corrected_value(percents, values, random):
    """A database adds the readings of a minute in the order of its plan."""
    corrected = set()
    for _ in range(6):
        random.shuffle(percents)
        random.shuffle(values)
        air = AirHumidity(percent=sum(percents) / len(percents), flags=0)
        corrected.add(correct_for_humidity(sum(values) / len(values), air)[0])
        corrected.add(correct_for_humidity(round_figure(sum(values) / len(values)), air)[0])
    assert len(corrected) == 1
