"""`[[mobile]]` in the site file: stored, applied again without a change, and refused with one sentence."""

import psycopg
import pytest

from edge_agent.configuration import ConfigurationError
from edge_agent.wire import Signer
from gateway.enrolment.site_file import apply_site_file, read_site_file

SITE = """
[area]
id = "ijmond"
name = "IJmond"
authority = "Omgevingsdienst"
outline = {{ type = "Polygon", coordinates = [] }}

[[mobile]]
id = "{id}"
name = "Sniffer car"
vehicle = "{vehicle}"
exhaust = true

[[node]]
id = "car-1"
station = "{station}"
key = "{key}"
"""
KEY = str(Signer.generate("car-1").verifier)


def write(folder, **changes):
    path = folder / "site.toml"
    path.write_text(
        SITE.format(**{"id": "mobile-car-1", "vehicle": "car", "station": "mobile-car-1", "key": KEY} | changes)
    )
    return path


def test_a_vehicle_is_stored_once_without_a_place(database, tmp_path):
    contents = read_site_file(write(tmp_path))
    for _ in range(2):
        apply_site_file(contents, database, folder=tmp_path)
    with psycopg.connect(database) as connection:
        rows = connection.execute("""
            SELECT s.id, s.latitude, s.longitude, m.vehicle, m.has_exhaust, m.is_private, i.node_id
            FROM mobile_station m JOIN station s ON s.id = m.station_id JOIN installation i ON i.station_id = s.id""")
        assert rows.fetchall() == [("mobile-car-1", 0.0, 0.0, "car", True, False, "car-1")]


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"id": "car-1"}, "mobile-"),
        ({"vehicle": "horse"}, "horse"),
        ({"station": "mobile-car-2"}, "which the file does not have"),
    ],
)
def test_a_wrong_vehicle_is_refused(tmp_path, changes, part):
    with pytest.raises(ConfigurationError, match=part):
        read_site_file(write(tmp_path, **changes))
