"""The example files that an operator copies are valid."""

import re
from pathlib import Path

import psycopg
import pytest

from edge_agent.configuration import ConfigurationError
from gateway import settings
from gateway.enrolment import site_file

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_the_example_configuration_is_valid():
    read = settings.read(EXAMPLES / "piekwacht.toml")
    assert read.ingest.key_file == EXAMPLES / "gateway.key"
    assert [route.receiver for route in read.alerting.route] == ["piket", "kantoor"]


def test_applying_the_example_site_file_again_changes_nothing(database):
    contents = site_file.read_site_file(EXAMPLES / "site.toml")
    stored = []
    for _ in range(2):
        site_file.apply_site_file(contents, database, folder=EXAMPLES)
        with psycopg.connect(database) as connection:
            stored.append(connection.execute("SELECT * FROM station, area, site").fetchall())
    assert stored[0] == stored[1] != []


def test_the_examples_in_the_document_on_alerting_settings_are_valid(tmp_path):
    first, health, *channels = re.findall(r"```toml\n(.*?)```", (DOCS / "alerting-settings.md").read_text(), re.DOTALL)
    assert len(channels) == 5
    (tmp_path / "piekwacht.toml").write_text('[database]\ndsn = ""\n' + first)
    assert len(settings.read(tmp_path / "piekwacht.toml").alerting.route) == 2
    (tmp_path / "piekwacht.toml").write_text('[database]\ndsn = ""\n' + health)
    assert settings.read(tmp_path / "piekwacht.toml").alerting.receiver[0].health.source
    for text in channels:
        receiver = '[database]\ndsn = ""\n[[alerting.receiver]]\nname = "od"\n'
        (tmp_path / "piekwacht.toml").write_text(receiver + text)
        (read,) = settings.read(tmp_path / "piekwacht.toml").alerting.receiver
        assert len(read.channels) == 1


@pytest.mark.parametrize(("ids", "sentence"), [
    ('["eu-information-pm10-day", "who-2021-pm2_5-day"]', None),
    ('["eu-information-pm10"]', "there is no level 'eu-information-pm10'; the nearest is 'eu-information-pm10-day'"),
    ('["who-2021-pm10-year"]', "'who-2021-pm10-year' is no level of a day or an hour"),
    ('["who-2021-so2-10min"]', "'who-2021-so2-10min' is no level of a day or an hour"),
])  # fmt: skip
def test_a_level_of_a_route_must_be_in_the_table_and_about_a_day_or_an_hour(tmp_path, ids, sentence):
    path = tmp_path / "piekwacht.toml"
    path.write_text(
        '[database]\ndsn = ""\n[[alerting.receiver]]\nname = "ggd"\nemail = [{ to = ["a@ggd.example"] }]\n'
        f'[[alerting.route]]\nreceiver = "ggd"\nat_or_above = {ids}\n'
    )
    if sentence is None:
        assert len(settings.read(path).alerting.route[0].at_or_above) == 2
        return
    with pytest.raises(ConfigurationError) as raised:
        settings.read(path)
    assert sentence in str(raised.value)
    assert "alerting.route[0].at_or_above" in str(raised.value)


@pytest.mark.parametrize("value", ["0", "1.5", '"a"'])
def test_the_coverage_of_a_year_is_a_share(tmp_path, value):
    path = tmp_path / "piekwacht.toml"
    path.write_text(f'[database]\ndsn = ""\n[assessment]\nyear_coverage = {value}\n')
    with pytest.raises(ConfigurationError, match="year_coverage"):
        settings.read(path)
