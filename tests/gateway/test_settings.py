"""What an operator copies has to work."""

import re
from pathlib import Path

import psycopg

from gateway import settings
from gateway.enrolment import site_file

DOCS = Path(__file__).parents[2] / "docs"
EXAMPLES = Path(__file__).parents[2] / "deploy" / "examples"


def test_the_example_of_a_small_site_is_read_strictly():
    read = settings.read(EXAMPLES / "piekwacht.toml")
    assert read.ingest.key_file == EXAMPLES / "gateway.key"
    assert [route.receiver for route in read.alerting.route] == ["piket", "kantoor"]


def test_the_example_of_a_site_file_is_applied_twice_without_a_difference(database):
    described = site_file.read_site_file(EXAMPLES / "site.toml")
    found = []
    for _ in range(2):
        site_file.apply_site_file(described, database, folder=EXAMPLES)
        with psycopg.connect(database) as connection:
            found.append(connection.execute("SELECT * FROM station, area, site").fetchall())
    assert found[0] == found[1] != []


def test_what_the_document_on_alerting_shows_is_read_strictly(tmp_path):
    first, *channels = re.findall(r"```toml\n(.*?)```", (DOCS / "alerting-settings.md").read_text(), re.DOTALL)
    assert len(channels) == 5
    (tmp_path / "piekwacht.toml").write_text('[database]\ndsn = ""\n' + first)
    assert len(settings.read(tmp_path / "piekwacht.toml").alerting.route) == 2
    for text in channels:
        receiver = '[database]\ndsn = ""\n[[alerting.receiver]]\nname = "od"\n'
        (tmp_path / "piekwacht.toml").write_text(receiver + text)
        (read,) = settings.read(tmp_path / "piekwacht.toml").alerting.receiver
        assert len(read.channels) == 1
