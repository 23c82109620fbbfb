"""The example files that an operator copies are valid."""

import re
from pathlib import Path

import psycopg

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
