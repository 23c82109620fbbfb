"""The Hazard Index is a sum over a rolling year as an interval, or a refusal with one sentence; never of a moment."""

import json
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_agent.configuration import ConfigurationError
from gateway import settings as gateway_settings
from gateway.__main__ import main
from gateway.assessment.hazard_index import (
    ROLLING_YEAR,
    HazardRefusal,
    LaboratorySample,
    SensorYear,
    compute_hazard_index,
)
from gateway.assessment.hazard_settings import HazardIndexSettings, HazardSensor, HazardSubstance, MixtureProfile
from gateway.assessment.sample_file import parse_samples
from gateway.assessment.sentences import describe_hazard_refusal
from gateway.model.csv_table import TableFileError
from tests.gateway.api.conftest import running_api
from tests.gateway.store.stored_readings import store_readings

END = datetime(2026, 11, 1, tzinfo=UTC)
START = END - ROLLING_YEAR
ORIGIN = {"author": "A. de Vries", "declared": date(2026, 1, 1)}
BENZENE = HazardSubstance(
    name="benzene", limit=5.0, source="Directive 2008/50/EC, Annex XI", published=date(2008, 6, 11)
)
TOLUENE = HazardSubstance(name="toluene", limit=400.0, source="RIVM 711701092, table 2", published=date(2009, 1, 1))


def sensor(**fields):
    return HazardSensor(
        **{
            "station": "s",
            "observed_property": "voc_ppb",
            "micrograms_per_unit": 2.0,
            "uncertainty": 0.5,
            **ORIGIN,
            **fields,
        }
    )


def sample(substance="benzene", value=1.0, start=START, end=END, uncertainty=0.2):
    return LaboratorySample(
        substance=substance, start=start, end=end, value=value, uncertainty=uncertainty, laboratory="GGD"
    )


def compute(samples=(), sensors=(), substances=(BENZENE,), mixtures=(), coverage=0.9):
    declared = HazardIndexSettings(
        substance=list(substances), sensor=[year.sensor for year in sensors], mixture=list(mixtures)
    )
    return compute_hazard_index(declared, samples, sensors, END, coverage)


def test_two_substances_add_up_as_an_interval():
    index = compute([sample(), sample("toluene", 40.0)], substances=(BENZENE, TOLUENE))
    assert index.lowest == pytest.approx(0.8 / 5 + 32 / 400)
    assert index.highest == pytest.approx(1.2 / 5 + 48 / 400)
    assert [part.basis for part in index.parts] == ["laboratory", "laboratory"]
    assert index.end - index.start == timedelta(days=365)


def test_samples_weigh_as_long_as_they_lie_in_the_year():
    middle = START + timedelta(days=73)
    index = compute([
        sample(value=100.0, start=START - timedelta(days=400), end=START - timedelta(days=300), uncertainty=0.0),
        sample(value=10.0, start=START - timedelta(days=73), end=middle, uncertainty=0.0),
        sample(value=5.0, start=middle, uncertainty=0.0),
    ])  # fmt: skip
    assert index.lowest == index.highest == pytest.approx((0.2 * 10 + 0.8 * 5) / 5)


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=20), st.floats(0, 3))
def test_the_interval_is_that_of_the_samples_one_by_one(values, uncertainty):
    width = ROLLING_YEAR / len(values)
    samples = [
        sample(value=value, start=START + n * width, end=START + (n + 1) * width, uncertainty=uncertainty)
        for n, value in enumerate(values)
    ]
    index = compute(samples)
    mean = sum(values) / len(values)
    assert index.highest == pytest.approx(mean * (1 + uncertainty) / 5, rel=1e-6, abs=1e-9)
    assert index.lowest == pytest.approx(mean * max(0, 1 - uncertainty) / 5, rel=1e-6, abs=1e-9)
    assert 0 <= index.lowest <= index.highest


def test_a_mixture_only_bounds_a_substance_so_it_may_be_absent():
    mixture = MixtureProfile(name="site", fractions={"benzene": 0.25, "rest": 0.75}, source="report 12", **ORIGIN)
    year = SensorYear(sensor=sensor(mixture="site"), mean=10.0, share=0.95)
    index = compute(sensors=[year], mixtures=[mixture])
    assert index.lowest == 0.0
    assert index.highest == pytest.approx(10 * 2 * 0.25 * 1.5 / 5)
    assert index.parts[0].basis == "mixture"


def test_a_sensor_of_the_gas_comes_before_a_mixture_and_a_laboratory_before_both():
    mixture = MixtureProfile(name="site", fractions={"benzene": 1.0}, source="report 12", **ORIGIN)
    total = SensorYear(sensor=sensor(mixture="site"), mean=10.0, share=0.95)
    own = SensorYear(sensor=sensor(substance="benzene"), mean=1.0, share=0.95)
    assert compute(sensors=[total, own], mixtures=[mixture]).parts[0].basis == "sensor"
    assert compute([sample()], sensors=[total, own], mixtures=[mixture]).parts[0].basis == "laboratory"


@pytest.mark.parametrize(("changes", "reason", "sentence"), [
    ({"coverage": None}, HazardRefusal.NO_COVERAGE_SETTING, "What a year needs is not set"),
    ({}, HazardRefusal.NOT_MEASURED, "benzene is not measured at this station"),
    ({"samples": [sample(end=START + ROLLING_YEAR * 0.4)]}, HazardRefusal.TOO_FEW_HOURS,
     "benzene is measured in 40.0 % of the year and 90.0 % are needed."),
    ({"samples": [sample(), sample(start=END - timedelta(days=1))]}, HazardRefusal.SAMPLES_OVERLAP,
     "Two samples of benzene are about the same time"),
    ({"samples": [sample()], "substances": (BENZENE, TOLUENE)}, HazardRefusal.NOT_MEASURED, "toluene is not measured"),
    ({"sensors": [SensorYear(sensor=sensor(substance="benzene"), mean=None, share=0.0)]}, HazardRefusal.NOT_MEASURED,
     "benzene is not measured"),
])  # fmt: skip
def test_an_incomplete_input_refuses_the_whole_index(changes, reason, sentence):
    index = compute(**changes)
    assert (index.lowest, index.highest, index.refusal) == (None, None, reason)
    assert describe_hazard_refusal(index, "en").startswith(sentence)
    assert describe_hazard_refusal(index, "nl")


def test_an_index_that_was_computed_has_no_refusal_to_describe():
    with pytest.raises(ValueError, match="computed"):
        describe_hazard_refusal(compute([sample()]), "nl")


SETTINGS = """
[database]
dsn = "{dsn}"
[assessment]
year_coverage = 0.9
[[assessment.hazard_index.substance]]
name = "benzene"
limit = 5
source = "Directive 2008/50/EC, Annex XI"
published = 2008-06-11
"""
SENSOR = """
[[assessment.hazard_index.sensor]]
station = "wijk-aan-zee"
observed_property = "voc_ppb"
{target}
micrograms_per_unit = 3.19
uncertainty = 0.3
author = "A. de Vries"
declared = 2026-01-01
"""
MIXTURE = """
[[assessment.hazard_index.mixture]]
name = "site"
fractions = {fractions}
author = "A. de Vries"
declared = 2026-01-01
source = "report 12"
"""


def read_settings(tmp_path, *parts, dsn=""):
    path = tmp_path / "piekwacht.toml"
    path.write_text(SETTINGS.format(dsn=dsn) + "".join(parts))
    return gateway_settings.read(path)


@pytest.mark.parametrize(("parts", "sentence"), [
    ([MIXTURE.format(fractions="{ benzene = 0.2, rest = 0.7 }")], "adds up to 0.9 and not to 1"),
    ([MIXTURE.format(fractions="{ benzene = 0.2, rest = 0.9 }")], "adds up to 1.1 and not to 1"),
    ([SENSOR.format(target='mixture = "other"')], "unknown mixture 'other'"),
    ([SENSOR.format(target='substance = "toluene"')], "'toluene' of the sensor at 'wijk-aan-zee' has no limit"),
    ([SENSOR.format(target="")], "needs either `substance` or `mixture`"),
    ([MIXTURE.format(fractions="{ rest = 1 }")] * 2, "there are two mixtures 'site'"),
])  # fmt: skip
def test_a_wrong_declaration_is_one_sentence(tmp_path, parts, sentence):
    with pytest.raises(ConfigurationError) as raised:
        read_settings(tmp_path, *parts)
    assert sentence in str(raised.value)
    assert "\n" not in str(raised.value)


def test_shares_of_thirds_add_up_to_one(tmp_path):
    fractions = "{ benzene = 0.333333, toluene = 0.333333, rest = 0.333334 }"
    assert read_settings(tmp_path, MIXTURE.format(fractions=fractions)).assessment.hazard_index is not None


COLUMNS = "station;substance;start;end;value;unit;uncertainty;laboratory\n"
NOW = datetime(2026, 11, 2, tzinfo=UTC)


def parse(rows, **options):
    content = (COLUMNS + rows).encode()
    return parse_samples(content, UTC, NOW, stations={"s"}, substances={"benzene"}, **options)


def test_units_are_converted_and_decimal_commas_are_read_if_declared():
    rows = "s;benzene;2026-01-01T00:00;2026-01-15T00:00;1,5;mg/m3;0,2;GGD\n"
    (row,) = parse(rows, decimal_comma=True)
    assert (row.value, row.uncertainty) == (1500.0, 0.2)


@pytest.mark.parametrize(("row", "sentence"), [
    ("s;benzene;2026-01-01;2026-01-15;1,5;ug/m3;0.2;GGD", "line 2: value '1,5' has a comma"),
    ("s;benzene;2026-01-01;2026-01-15;1.5;ppb;0.2;GGD", "line 2: the unit 'ppb' is unknown"),
    ("s;benzene;2026-01-15;2026-01-01;1.5;ug/m3;0.2;GGD", "line 2: end must be after start"),
    ("s;benzene;2026-11-01;2026-11-15;1.5;ug/m3;0.2;GGD", "line 2: the sample ends in the future"),
    ("s;toluene;2026-01-01;2026-01-15;1.5;ug/m3;0.2;GGD", "line 2: 'toluene' has no limit"),
    ("x;benzene;2026-01-01;2026-01-15;1.5;ug/m3;0.2;GGD", "line 2: no station 'x'"),
    ("s;benzene;2026-01-01;2026-01-15;-1;ug/m3;0.2;GGD", "line 2: value must be 0 or more"),
    ("s;benzene;2026-01-01;2026-01-15;1;ug/m3;20;GGD", "line 2: uncertainty must be a share such as 0.2"),
    ("s;benzene;2016-12-31T23:59:60Z;2026-01-15;1;ug/m3;0.2;GGD", "line 2: '2016-12-31T23:59:60Z' is a leap second"),
    ("s;benzene;2026-01-01;2026-01-15;nan;ug/m3;0.2;GGD", "line 2: value 'nan' is no number"),
    ("s;benzene;2026-01-01;2026-01-15;;ug/m3;0.2;GGD", "line 2: value is empty"),
])  # fmt: skip
def test_a_wrong_row_is_one_sentence(row, sentence):
    with pytest.raises(TableFileError) as raised:
        parse(row + "\n")
    assert str(raised.value).startswith(sentence)


@pytest.fixture
def run(database, node, tmp_path, capfd):
    del node
    (tmp_path / "piekwacht.toml").write_text(SETTINGS.format(dsn=database))

    def run_command(*words):
        code = main(["hazard-index", "--config", str(tmp_path / "piekwacht.toml"), *map(str, words)])
        printed = capfd.readouterr()
        return code, printed.out, printed.err

    return run_command


def write_year(folder, value=2.5):
    now = datetime.now(UTC)
    path = folder / "samples.csv"
    rows = [
        f"wijk-aan-zee;benzene;{(now - timedelta(days=14 * (n + 1))).isoformat()};"
        f"{(now - timedelta(days=14 * n)).isoformat()};{value};ug/m3;0.2;GGD\n"
        for n in range(27)
    ]
    path.write_text(COLUMNS + "".join(rows))
    return path


def test_samples_are_imported_once_and_give_the_index(run, tmp_path):
    path = write_year(tmp_path)
    assert run("import", path)[1] == "27 samples stored, 0 were stored already\n"
    assert run("import", path)[1] == "0 samples stored, 27 were stored already\n"
    code, out, _ = run("show", "--station", "wijk-aan-zee")
    assert code == 0
    assert "Hazard Index of the year: 0.40 to 0.60; concern above 1" in out
    assert json.loads(run("show", "--station", "wijk-aan-zee", "--json")[1])["highest"] == pytest.approx(0.6)
    path.write_text(path.read_text().replace(";2.5;", ";2.6;"))
    code, _, error = run("import", path)
    assert code == 1
    assert "is stored as 2.5 and not 2.6 ug/m3, so nothing of the file was stored; if the file is right" in error
    assert run("import", path, "--replace")[0] == 0
    assert "Hazard Index of the year: 0.42 to 0.62" in run("show", "--station", "wijk-aan-zee")[1]


def test_without_samples_the_command_names_the_missing_substance(run):
    code, out, _ = run("show", "--station", "wijk-aan-zee")
    assert code == 0
    assert "no Hazard Index: benzene is not measured at this station" in out
    code, _, error = run("show", "--station", "nowhere")
    assert (code, "no station 'nowhere'" in error) == (1, True)


def test_the_hazard_index_is_off_by_default(database, tmp_path, capfd):
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = "{database}"\n')
    assert gateway_settings.read(path).assessment.hazard_index is None
    assert main(["hazard-index", "--config", str(path), "show", "--station", "x"]) == 1
    assert "declare its substances in [assessment.hazard_index]" in capfd.readouterr().err


async def test_the_api_has_the_index_only_if_it_is_declared(database, broker, run, tmp_path):
    run("import", write_year(tmp_path))
    declared = gateway_settings.read(tmp_path / "piekwacht.toml").assessment
    path = "/api/v1/stations/wijk-aan-zee/assessment"
    async with running_api(database, broker) as (client, _):
        assert (await client.get(path)).json()["hazardIndex"] is None
    async with running_api(database, broker, assessment=declared) as (client, _):
        index = (await client.get(path)).json()["hazardIndex"]
    assert (index["lowest"], index["highest"]) == (pytest.approx(0.4), pytest.approx(0.6))
    assert index["parts"][0]["source"] == "Directive 2008/50/EC, Annex XI"


async def test_a_declared_sensor_with_a_few_hours_is_refused_and_never_shown_as_a_moment(
    database, broker, node, tmp_path
):
    with psycopg.connect(database, autocommit=True) as connection:
        start = datetime.now(UTC) - timedelta(hours=30)
        store_readings(connection, start, [(900.0, 0)] * 360, step=300, observed_property="voc_ppb")
    declared = read_settings(tmp_path, SENSOR.format(target='substance = "benzene"'), dsn=database).assessment
    async with running_api(database, broker, assessment=declared) as (client, _):
        index = (await client.get("/api/v1/stations/wijk-aan-zee/assessment")).json()["hazardIndex"]
    assert (index["lowest"], index["highest"], index["parts"]) == (None, None, [])
    assert index["reason"] == "too_few_hours"
    assert "benzene is measured in 0.3 % of the year and 90.0 % are needed." in index["text"]["en"]
