"""Links to a moment of the past: their notation, and the page of that moment."""

from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.pages.moment import read_moment
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

NOW = datetime(2026, 11, 29, 12, 0, 30, tzinfo=UTC)
START = datetime.fromtimestamp(T0 / 1000, UTC)  # 2026-11-21T02:40Z, 03:40 in Amsterdam


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-11-28T14:02", datetime(2026, 11, 28, 13, 2, tzinfo=UTC)),
        ("2026-11-28T13:02:59Z", datetime(2026, 11, 28, 13, 2, tzinfo=UTC)),
        ("2026-11-28T14:02:00 01:00", datetime(2026, 11, 28, 13, 2, tzinfo=UTC)),  # a plus sign arrives as a space
        ("2026-10-25T02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),  # the first of two
        ("2026-10-25T02:30+01:00", datetime(2026, 10, 25, 1, 30, tzinfo=UTC)),
        ("2026-03-29T02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),  # it does not exist: an hour is left out
        ("2026-11-29T12:00:20Z", datetime(2026, 11, 29, 12, 0, tzinfo=UTC)),
    ],
)
def test_a_moment_is_its_minute(text, at):
    assert read_moment(text, NOW).at == at


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("gisteren", "moment_unreadable"),
        ("0001-01-01T00:00", "moment_unreadable"),
        ("1999-01-01", "moment_unreadable"),
        ("2026-11-30T00:00", "moment_future"),
        ("9999-12-31T23:59", "moment_future"),
        ("", ""),
        (" ", ""),
    ],
)
def test_other_texts_have_a_reason(text, problem):
    moment = read_moment(text, NOW)
    assert (moment.at, moment.problem) == (None, problem)


async def test_the_first_screen_shows_a_moment_of_the_past(api, pipeline, node):
    await ingest_observations(pipeline, node)
    during = (START + timedelta(seconds=110)).strftime("%Y-%m-%dT%H:%M:%SZ")
    page = (await api.get(f"/nl/?at={during}")).text
    assert "Zo was het op 21 november 2026, 03:41." in page
    assert "Piek fijnstof PM2,5 bij Wijk aan Zee sinds" in page
    assert "Naar nu" in page
    before = (await api.get("/nl/?at=2026-11-21T03:42")).text
    assert "Nu geen piek in IJmond" in before or "Licht verhoogd" in before


@pytest.mark.parametrize(
    ("query", "sentence"),
    [("at=2026-11-20T00:00", "zijn er geen metingen"), ("at=straks", "niet te lezen"),
     ("at=2099-01-01T00:00", "moet nog komen")],
)  # fmt: skip
async def test_a_moment_without_measurements_has_a_sentence(api, pipeline, node, query, sentence):
    await ingest_observations(pipeline, node, 60)
    for path in ("/nl/", "/nl/stations/wijk-aan-zee"):
        response = await api.get(f"{path}?{query}")
        assert response.status_code == 200
        assert sentence in response.text, path


async def test_a_station_shows_the_hour_around_a_moment(api, pipeline, node):
    await ingest_observations(pipeline, node)
    page = (await api.get("/nl/stations/wijk-aan-zee?at=2026-11-21T03:41")).text
    assert "rond 21 november 2026, 03:41" in page
    assert 'class="moment"' in page
    assert 'class="marked"' in page
    assert "start=2026-11-21T02:11:00.000Z" in page
