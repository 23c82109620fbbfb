"""The registry file and the database agree, and every row can be used."""

import psycopg
import pytest

from gateway.detection.settings import DetectionSettings
from gateway.model.properties import PROPERTIES, SHOWN_PROPERTIES
from gateway.store.migrate import migrate


def test_the_database_has_every_row_as_the_file_has_it(database):
    query = "SELECT id, unit, name_nl, name_en, lower, upper, max_rise, severity FROM observed_property"
    with psycopg.connect(database) as connection:
        rows = {row[0]: row for row in connection.execute(query)}
    assert rows == {
        row.id: (
            row.id, row.unit, row.name.nl, row.name.en, row.lower, row.upper, row.max_rise,
            row.severity and list(row.severity),
        )
        for row in PROPERTIES.values()
    }  # fmt: skip


def test_a_row_that_an_operator_changed_is_left_alone(database):
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE observed_property SET upper = 400 WHERE id = 'pm2_5'")
        migrate(database)
        assert connection.execute("SELECT upper FROM observed_property WHERE id = 'pm2_5'").fetchone() == (400,)


@pytest.mark.parametrize("row", PROPERTIES.values(), ids=lambda row: row.id)
def test_a_row_is_consistent(row):
    assert row.lower is None or row.upper is None or row.lower < row.upper
    assert row.severity is None or list(row.severity) == sorted(row.severity)
    assert row.colour_steps is None or list(row.colour_steps) == sorted(row.colour_steps)
    assert (row.detection is not None) == (row.id in DetectionSettings().enabled_properties())


def test_pages_show_particulates_first():
    assert SHOWN_PROPERTIES[0] == "pm2_5"
