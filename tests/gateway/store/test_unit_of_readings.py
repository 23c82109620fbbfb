"""The unit of a property with readings never changes: no number can stand beside the unit of another."""

import psycopg
import pytest

from tests.gateway.api.test_validity_law import ingest, recent_start
from tests.gateway.enrolled_node import enrol_node

CHANGE = "UPDATE observed_property SET unit = 'mg/m3' WHERE id = %s"


async def test_the_unit_of_a_property_with_readings_cannot_be_changed(database):
    await ingest(database, enrol_node(database), recent_start(), None)
    with psycopg.connect(database, autocommit=True) as connection:
        with pytest.raises(psycopg.errors.CheckViolation, match="pm2_5 has readings in ug/m3") as refused:
            connection.execute(CHANGE, ["pm2_5"])
        assert "add another property" in refused.value.diag.message_hint
        assert connection.execute("SELECT unit FROM observed_property WHERE id = 'pm2_5'").fetchone() == ("ug/m3",)
        connection.execute("UPDATE observed_property SET name_nl = 'fijnstof', upper = 900 WHERE id = 'pm2_5'")


def test_the_unit_of_a_property_without_readings_can_be_corrected(database):
    with psycopg.connect(database, autocommit=True) as connection:
        assert connection.execute(CHANGE, ["pm10"]).rowcount == 1
