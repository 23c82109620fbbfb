"""`piekwacht complaints compare`: a file beside stored events, on a real database."""

import json
import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.__main__ import main
from tests.gateway.api.observation_batches import ingest_observations


@pytest.fixture
async def onset(pipeline, node):
    """The onset of one stored event, ten minutes ago."""
    start = int(time.time() * 1000) - 800_000
    await ingest_observations(pipeline, node, 200, start=start)
    return datetime.fromtimestamp(start / 1000 + 100, UTC)


@pytest.fixture
def compare(database, tmp_path, capsys):
    (tmp_path / "piekwacht.toml").write_text(f'[database]\ndsn = "{database}"\n')

    def run(content, *words, area="ijmond"):
        (tmp_path / "complaints.csv").write_text(content)
        days = [(datetime.now(UTC) + timedelta(days=shift)).date().isoformat() for shift in (-1, 2)]
        code = main([
            "complaints", "--config", str(tmp_path / "piekwacht.toml"), "compare", str(tmp_path / "complaints.csv"),
            "--area", area, "--from", days[0], "--to", days[1], *words,
        ])  # fmt: skip
        output = capsys.readouterr()
        return code, output.out, output.err

    return run


async def test_a_complaint_near_a_stored_event_fits_and_one_elsewhere_does_not(onset, compare):
    at = (onset + timedelta(minutes=3)).isoformat()
    content = (
        f"time,latitude,longitude,id\n{at},52.496,4.60,near\n{at},52.40,4.60,far\n2020-01-01T00:00Z,52.49,4.6,old\n"
    )
    code, text, _ = compare(content)
    assert code == 0
    assert "1 events, 2 complaints (one per person and half an hour)" in text
    assert "1 complaints fit an event in time, place and wind" in text
    assert "1 complaints lie outside the period and are left out" in text
    assert "chance: not estimated" in text
    document = json.loads(compare(content, "--json")[1])
    assert (document["fitting"], document["after_notice"], document["chance"]) == (1, 0, None)
    assert [len(document["events_by_complaint"][name]) for name in ("near", "far")] == [1, 0]


def test_a_wrong_file_and_an_unknown_area_get_one_sentence(database, compare):
    code, _, error = compare("time,latitude,longitude\n2020-01-01T00:00Z,4.6,52.49\n")
    assert (code, error) == (
        1, "piekwacht: line 2: latitude and longitude are swapped; exchange the two columns\n",
    )  # fmt: skip
    code, _, error = compare("time,latitude,longitude\n", area="mars")
    assert code == 1
    assert error == "piekwacht: there is no area 'mars'; `piekwacht site show` lists the areas\n"
