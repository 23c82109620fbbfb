"""`piekwacht adapter`: it shows the values of a sample, and one sentence for each mistake."""

import json

import pytest

from gateway.__main__ import main
from gateway.adapters.formats import FORMATS
from tests.gateway.adapters.messages import SAMPLES, airrohr

MAPPING = """
device = "$.serial"
[values.pm2_5]
path = "$.pm"
unit = "mg/m3"
"""


@pytest.fixture
def sample(tmp_path):
    """A file with a message."""

    def write(body: bytes, mapping: str = "") -> list[str]:
        (tmp_path / "body").write_bytes(body)
        (tmp_path / "mapping.toml").write_text(mapping)
        return [str(tmp_path / "body"), *(["--mapping", str(tmp_path / "mapping.toml")] if mapping else [])]

    return write


def test_the_list_has_every_format(capsys):
    assert main(["adapter", "list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == list(FORMATS)


def test_a_sample_shows_values_units_and_reasons(sample, capsys):
    body = airrohr(SDS_P2="12.3", SDS_P1="unavailable", XYZ_temperature=3)
    assert main(["adapter", "try", *sample(body), "--format", "airrohr"]) == 0
    shown = capsys.readouterr().out
    assert "device 12345, the time of receipt" in shown
    assert "12.3 ug/m3  from SDS_P2" in shown
    assert "from SDS_P1: not a number, size_extrapolated, sensor_fault" in shown
    assert "left out: XYZ_temperature, of an instrument that" in shown


def test_a_mapping_is_tried_on_a_sample(sample, capsys):
    command = ["adapter", "try", *sample(b'{"serial": "a", "pm": "0.012"}', MAPPING), "--format", "json", "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)[0]["values"] == {"pm2_5": 12.0}


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ('[values.pm3]\npath = "$.a"', "no such property"),
        ('[values.pm2_5]\npath = "$.a"\nunit = "knots"', "unit 'knots' is not read"),
        ('[values.pm2_5]\npath = "$.a["', "path"),
        ('model = "abc"\n[values.pm2_5]\npath = "$.a"', "has no 'abc'"),
        ('time_zone = "Mars"\n[values.pm2_5]\npath = "$.a"', "Mars"),
        ("values = {}", "values"),
        ("[values", "mapping.toml"),
    ],
)
def test_a_wrong_mapping_is_named_in_one_sentence(sample, capsys, mapping, sentence):
    assert main(["adapter", "try", *sample(b"{}", mapping), "--format", "json"]) == 2
    errors = capsys.readouterr().err
    assert sentence in errors
    assert errors.count("\n") == 1


def test_a_refused_sample_ends_with_code_1(sample, capsys):
    assert main(["adapter", "try", *sample(b"[]"), "--format", "purpleair"]) == 1
    assert "no message of PurpleAir" in capsys.readouterr().err


def test_headers_and_topic_are_given_on_the_command_line(sample, capsys):
    pushed = SAMPLES["sensor-community"][0]
    headers = [part for name, value in pushed.headers.items() for part in ("--header", f"{name}: {value}")]
    assert main(["adapter", "try", *sample(pushed.body), "--format", "sensor-community", *headers]) == 0
    assert "device 77" in capsys.readouterr().out
    assert main(["adapter", "try", *sample(b"{}"), "--format", "airrohr", "--header", "X-Pin"]) == 2
