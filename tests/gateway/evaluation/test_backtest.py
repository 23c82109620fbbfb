"""`piekwacht backtest`: the same detector over anybody's recording, in any of its forms."""

import csv
import gzip
import json
import subprocess
import sys
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from gateway.__main__ import main
from tests.laws import T0


def recording(step=60, stations=("a:1", "b:2")):
    """Rows with one plume at the first station; `rh` is a covariate."""
    rng = np.random.default_rng(1)
    rows = []
    for number, station in enumerate(stations):
        values = 8 + rng.normal(0, 0.3, 300)
        if number == 0:
            values[200:210] += 50
        rows += [(station, "pm2_5", T0 / 1000 + i * step, round(float(v), 2), 60.0) for i, v in enumerate(values)]
    rng.shuffle(rows)
    return [(s, p, float(t), float(v), float(rh)) for s, p, t, v, rh in rows]


def rfc3339(seconds):
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def write(path, rows, time=lambda seconds: seconds):
    columns = ("station", "property", "time", "value", "rh")
    rows = [(s, p, time(t), v, rh) for s, p, t, v, rh in rows]
    if path.suffix == ".parquet":
        pa.parquet.write_table(pa.table(dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True))), path)
        return path
    with (gzip.open if path.suffix == ".gz" else open)(path, "wt") as file:
        writer = csv.writer(file)
        writer.writerows([columns, *rows])
    return path


@pytest.fixture
def backtest(capsys):
    """backtest(path, ...) -> (exit code, what it told of errors, its events)."""

    def run(path, *more):
        output = path.with_name("events.json")
        code = main(["backtest", str(path), "--output", str(output), *more])
        return code, capsys.readouterr().err, json.loads(output.read_text()) if code == 0 else None

    return run


FORMS = [
    ("r.csv", float),
    ("r.csv", int),
    ("r.csv", rfc3339),
    ("r.csv.gz", rfc3339),
    ("r.parquet", float),
    ("r.parquet", rfc3339),
]


@pytest.mark.parametrize(("name", "time"), FORMS)
def test_every_form_of_the_same_recording_gives_the_same_event(tmp_path, backtest, name, time):
    code, errors, events = backtest(write(tmp_path / name, recording(), time))
    assert code == 0, errors
    (event,) = events
    assert (event["station"], event["property"]) == ("a:1", "pm2_5")
    assert event["excess"] == pytest.approx(50, rel=0.1)
    onset, detected, end = (datetime.fromisoformat(event[k]) for k in ("onset", "detected_at", "end"))
    assert abs((onset.timestamp() * 1000 - T0) / 60_000 - 200) <= 1
    assert onset <= detected < end
    assert 0 <= event["confidence"] <= 1
    assert {"peak_at", "peak", "background"} <= event.keys()


def test_events_are_in_causal_order(tmp_path, backtest):
    path = tmp_path / "r.csv"
    rows = recording() + [
        (s.replace("a:", "c:").replace("b:", "d:"), p, t + 3_600, v, rh) for s, p, t, v, rh in recording()
    ]
    *_, events = backtest(write(path, rows))
    assert [e["station"] for e in events] == ["a:1", "c:1"]


def test_other_settings_make_another_detector(tmp_path, backtest):
    (tmp_path / "d.toml").write_text("[property.pm2_5]\nsmallest = 90.0\n")
    *_, events = backtest(write(tmp_path / "r.csv", recording()), "--detector", str(tmp_path / "d.toml"))
    assert events == []


def test_hourly_values_are_named_as_too_slow(tmp_path, backtest):
    rows = [(s, p, T0 / 1_000 + 3_600 * i, v, rh) for i, (s, p, _, v, rh) in enumerate(recording()) if s == "a:1"]
    code, errors, events = backtest(write(tmp_path / "r.csv", rows))
    assert (code, events) == (0, [])
    assert "more than 20 minutes apart" in errors
    assert "a:1 pm2_5" in errors


REFUSED = [
    ("", "the file is empty"),
    ("station,time,value\nx,1,2\n", "which property the column 'value' holds is not said"),
    ("station,property,time,value\nx,pm2_5,yesterday,2\n", "'yesterday' is neither"),
    ("station,property,time,value\nx,pm2_5,,2\n", "1 of 1 lines cannot be read"),
    ("station,property,time,value\nx,pm2_5,1,many\n", "'many' is no number"),
    ("PAR1 is not all of it", "cannot be read as Parquet"),
]


@pytest.mark.parametrize(("text", "words"), REFUSED)
def test_what_is_no_recording_is_refused_in_one_sentence(tmp_path, backtest, text, words):
    path = tmp_path / "r.csv"
    path.write_text(text)
    code, errors, _ = backtest(path)
    assert code == 2
    assert words in errors
    assert errors.count("\n") == 1


def test_a_recording_of_others_is_read_with_a_mapping_and_what_cannot_be_read_is_told(tmp_path, backtest):
    lines = [f"{datetime.fromtimestamp(t, UTC):%d-%m-%Y %H:%M};{v};{s}" for s, _, t, v, _ in recording(stations=("a",))]
    (tmp_path / "r.csv").write_text("Datum;Fijnstof;Plek\n" + "\n".join([*lines, "gisteren;8;a"]).replace(".", ","))
    columns = ["--columns", "time=Datum,pm2_5=Fijnstof", "--columns", "station=Plek"]
    code, errors, _ = backtest(tmp_path / "r.csv", *columns)
    assert (code, errors.count("\n")) == (2, 1)
    assert "--time-zone" in errors
    code, errors, events = backtest(tmp_path / "r.csv", *columns, "--time-zone", "UTC")
    assert code == 0, errors
    assert [event["station"] for event in events] == ["a"]
    assert "1 lines could not be read completely (line 302); the first: 'gisteren'" in errors


@pytest.mark.parametrize("sentinel", [65535.0, 9999.0, 6553.4])
def test_two_minutes_of_a_number_that_means_a_fault_are_a_sick_sensor_and_never_a_rise(tmp_path, backtest, sentinel):
    rows = [("a", "pm2_5", T0 / 1000 + i * 10, 8 + 0.1 * (i % 3), 60.0) for i in range(400)]
    rows[300:312] = [(s, p, t, sentinel, rh) for s, p, t, _, rh in rows[300:312]]
    path = write(tmp_path / "r.csv", rows)
    code, errors, events = backtest(path, "--all")
    assert code == 0, errors
    assert [event["kind"] for event in events] == ["sensor"]
    assert events[0]["confidence"] <= 0.05
    assert "rose to" not in events[0]["words"]["en"]
    assert "cannot be trusted" in events[0]["words"]["en"]
    assert backtest(path)[2] == []


def write_windy(path, direction, flags="", property_flagged="wind_direction"):
    """A peak at station a with wind of 3 m/s from 270 degrees, and `direction` with `flags` during the peak.

    The wind varies a little: an instrument that never moves is flagged.
    """
    lines = ["station,property,time,value,flags"]
    for i in range(300):
        at, peak = T0 // 1000 + i * 60, 170 <= i < 220
        steady = direction if peak else 270.0
        wind = {"wind_direction": steady + (i % 3 if steady <= 360 else 0), "wind_speed": 3.0 + 0.1 * (i % 4)}
        lines.append(f"a,pm2_5,{at},{8 + 0.1 * (i % 3) + (50 if 200 <= i < 210 else 0)},")
        lines += [f"a,{name},{at},{v},{flags if peak and name == property_flagged else ''}" for name, v in wind.items()]
    path.write_text("\n".join(lines))
    return path


def test_a_variable_wind_is_no_direction(tmp_path, backtest):
    # it begins half an hour before the peak: the wind of the area is used for a quarter of an hour
    (event,) = backtest(write_windy(tmp_path / "r.csv", 990.0))[2]
    assert event["wind"] is None
    assert "wind" not in event["words"]["en"]
    (event,) = backtest(write_windy(tmp_path / "r.csv", 250.0))[2]
    assert event["wind"] == pytest.approx(250, abs=10)


@pytest.mark.parametrize("flag", ["out_of_range", "sensor_fault", "maintenance", "warm_up", "stale"])
@pytest.mark.parametrize("flagged", ["wind_direction", "wind_speed"])
def test_a_flagged_wind_is_no_direction(tmp_path, backtest, flag, flagged):
    (event,) = backtest(write_windy(tmp_path / "r.csv", 250.0, flag, flagged))[2]
    assert event["wind"] is None


def test_dust_and_wind_of_two_files_are_one_recording(tmp_path):
    dust, wind = tmp_path / "dust.csv", tmp_path / "wind.csv"
    lines = write_windy(dust, 250.0).read_text().splitlines()
    wind.write_text("\n".join([lines[0], *(line.replace("a,", "knmi,", 1) for line in lines if "wind" in line)]))
    dust.write_text("\n".join(line for line in lines if "wind" not in line))
    assert main(["backtest", str(dust), str(wind), "--output", str(tmp_path / "events.json")]) == 0
    (event,) = json.loads((tmp_path / "events.json").read_text())
    assert event["station"] == "a"
    assert event["wind"] == pytest.approx(250, abs=10)


def test_a_missing_file_and_a_mistyped_setting_are_named(tmp_path, backtest):
    code, errors, _ = backtest(tmp_path / "none.csv")
    assert (code, errors.count("\n")) == (2, 1)
    (tmp_path / "d.toml").write_text("[property.pm2_5]\nthreshhold = 9.0\n")
    code, errors, _ = backtest(write(tmp_path / "r.csv", recording()), "--detector", str(tmp_path / "d.toml"))
    assert code == 2
    assert "`threshold`" in errors


def test_it_runs_as_a_command_of_its_own(tmp_path):
    path, output = write(tmp_path / "r.csv", recording()), tmp_path / "events.json"
    command = [sys.executable, "-m", "gateway", "backtest", str(path), "--output", str(output)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=100)
    assert result.returncode == 0, result.stderr
    assert len(json.loads(output.read_text())) == 1
