import pytest

from edge_agent.configuration import ConfigurationError, load_toml
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.model.observation import ObservationBatch
from tests.laws import build_registry, run_detector, simulate_observations


def written(tmp_path, text):
    file = tmp_path / "detector.toml"
    file.write_text(text)
    return file


def test_a_table_changes_what_it_says_and_leaves_all_else_as_shipped(tmp_path):
    shipped = DetectionSettings().property
    found = load_toml(written(tmp_path, "[property.ch4]\nsmallest = 2.5\n"), DetectionSettings).property
    assert found["ch4"].smallest == 2.5
    assert found["ch4"].threshold == shipped["ch4"].threshold
    assert {name: one for name, one in found.items() if name != "ch4"} == {
        name: one for name, one in shipped.items() if name != "ch4"
    }


def test_a_property_that_nobody_shipped_is_as_pm2_5(tmp_path):
    found = load_toml(written(tmp_path, "[property.no2]\nsmallest = 10.0\n"), DetectionSettings).property
    assert found["no2"].drift == found["pm2_5"].drift
    assert found["no2"].smallest == 10.0


def test_no_table_at_all_is_what_is_shipped(tmp_path):
    assert load_toml(written(tmp_path, "[property]\n"), DetectionSettings) == DetectionSettings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[property.pm10]\nsmalest = 2.0\n", r"unknown key `property.pm10.smalest`; .* `smallest`"),
        ("[property.pm10]\nclip = 9.0\n", r"property\[\.\.\.\].*clip - drift must stay below threshold"),
        ("[property.pm10]\nsmallest = 'much'\n", r"Expected `float`"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_a_sentence(tmp_path, text, sentence):
    with pytest.raises(ConfigurationError, match=sentence):
        load_toml(written(tmp_path, text), DetectionSettings)


def test_a_property_that_is_off_is_not_detected_on(tmp_path):
    batch: ObservationBatch = simulate_observations(2, 400)
    off = load_toml(written(tmp_path, "[property.pm2_5]\non = false\n"), DetectionSettings)
    assert run_detector(Detector(DetectionSettings()), batch, build_registry(2))
    assert run_detector(Detector(off), batch, build_registry(2)) == []
