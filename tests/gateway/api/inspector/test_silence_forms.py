"""The form that silences a place without an alert: its matchers, its areas, and the end of a night."""

import asyncio
import re
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from fastapi import HTTPException
from hypothesis import given
from hypothesis import strategies as st

from alerting.vocabulary import LOCAL_TIMEZONE
from gateway.api.pages.inspector_silence import NIGHT, parse_end
from tests.alerting.running_dispatcher import fetch_rows

SITE = "INSERT INTO site (id, area_id, name, operator, latitude, longitude) VALUES (%s, %s, %s, '', 52.46, 4.6)"
PLACES = [
    ({"place": "station:wijk-aan-zee"}, ['area="ijmond"', 'station="wijk-aan-zee"']),
    ({"place": "station:wijk-aan-zee", "property": "pm2_5"},
     ['area="ijmond"', 'station="wijk-aan-zee"', 'property="pm2_5"']),
    ({"place": "site:staal"}, ['area="ijmond"', 'site="Staalfabriek"']),
    ({"place": "area:ijmond", "property": "pm10"}, ['area="ijmond"', 'property="pm10"']),
]  # fmt: skip
REFUSED = [
    ({"place": "area:ijmond"}, 400, "choose one too"),
    ({"place": "station:nowhere"}, 400, "is no station"),
    ({"place": ""}, 400, "is no station"),
    ({"place": "station:wijk-aan-zee", "property": "x"}, 400, "is not measured"),
    ({"place": "station:wijk-aan-zee", "hours": "999"}, 400, "1 to 168"),
    ({"place": "station:wijk-aan-zee", "hours": "-1"}, 400, "1 to 168"),
    ({"place": "area:nowhere", "property": "pm10"}, 400, "is no station"),
]


@pytest.fixture
async def form(api, node, database, keys):
    """The choices of the form on the page of the duty, by value."""
    with psycopg.connect(database) as connection:
        connection.execute(SITE, ["staal", "ijmond", "Staalfabriek"])
    async with asyncio.timeout(20):  # the API reads the registry again within seconds
        while "site:staal" not in (page := await api.get("/nl/inspector/duty", headers=keys["anna"])).text:
            await asyncio.sleep(0.3)
    return page.text


async def test_a_place_is_silenced_after_a_preview_of_the_withheld_alerts(api, form, database, keys):
    for fields, matchers in PLACES:
        form_fields = {"hours": NIGHT, "reason": "werk aan de weg", **fields}
        preview = await api.get("/nl/inspector/silence", params=form_fields, headers=keys["anna"])
        assert preview.status_code == 200, preview.text
        hidden = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', preview.text))
        assert hidden == {**form_fields, "kind": "silence"}
        created = await api.post("/nl/inspector/silences", data=hidden, headers=keys["anna"])
        assert created.status_code == 303, created.text
        query = "SELECT match, author FROM alerting.silence ORDER BY id DESC LIMIT 1"
        ((match, author),) = fetch_rows(database, query)
        assert (match, author.split("/")[0]) == (matchers, "anna")
    page = (await api.get("/nl/inspector/duty", headers=keys["anna"])).text
    assert page.count("werk aan de weg") == len(PLACES)


async def test_the_form_offers_own_places_only(form):
    choices = re.findall(r'<option value="((?:station|site|area):[^"]+)"', form)
    assert "station:wijk-aan-zee" in choices
    assert not any("chemelot" in choice for choice in choices)


async def test_a_place_that_cannot_be_silenced_is_refused_with_one_sentence(api, form, database, keys):
    for fields, status, sentence in REFUSED:
        answer = await api.post(
            "/nl/inspector/silences", data={"hours": "8", "reason": "x", **fields}, headers=keys["anna"]
        )
        assert (answer.status_code, sentence in answer.text) == (status, True), (fields, answer.text)
    for account in ("bob", "dirk"):  # of another area; without the role
        fields = {"hours": "8", "reason": "x", "place": "station:wijk-aan-zee"}
        answer = await api.post("/nl/inspector/silences", data=fields, headers=keys[account])
        assert answer.status_code == 403, account
    assert fetch_rows(database, "SELECT count(*) FROM alerting.silence") == [(0,)]


@given(now=st.integers(1_767_225_600, 1_830_297_600).map(lambda second: datetime.fromtimestamp(second, UTC)))
def test_a_night_ends_at_seven_on_the_dutch_clock_within_a_day(now):
    ends_at = parse_end(NIGHT, now)
    assert (ends_at.astimezone(LOCAL_TIMEZONE).hour, ends_at.minute) == (7, 0)
    assert timedelta(0) < ends_at - now <= timedelta(hours=25)


@pytest.mark.parametrize("text", ["", "0", "169", "x", "1.5", "٣"])
def test_hours_that_cannot_be_read_are_refused(text):
    with pytest.raises(HTTPException):
        parse_end(text, datetime.now(UTC))
