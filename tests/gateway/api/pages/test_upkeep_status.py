"""The status page names overdue upkeep of the database in both languages."""

import psycopg
import pytest

from gateway.model.texts import texts_of
from gateway.store.retention import RetentionSettings
from gateway.store.upkeep.register import register_works
from gateway.store.upkeep.work import Work
from tests.gateway.api.conftest import running_api


def register(dsn, *, wanted_for="0 s"):
    with psycopg.connect(dsn, autocommit=True) as connection:
        register_works(connection, RetentionSettings(raw_days=50))
        connection.execute("UPDATE upkeep_work SET wanted_since = now() - %s::interval", [wanted_for])


async def test_without_works_the_page_has_no_part_about_upkeep(api, node):
    assert "Onderhoud van de database" not in (await api.get("/nl/status")).text


async def test_upkeep_that_is_done_in_time_is_one_line(database, broker, node):
    register(database)
    async with running_api(database, broker) as (api, _):
        assert "Al het onderhoud is op tijd gedaan." in (await api.get("/nl/status")).text
        assert "All upkeep was done in time." in (await api.get("/en/status")).text


async def test_an_overdue_work_is_named_with_its_day(database, broker, node):
    register(database, wanted_for="30 days")
    with psycopg.connect(database) as connection:
        (since,) = connection.execute("SELECT wanted_since FROM upkeep_work").fetchone()
    async with running_api(database, broker) as (api, _):
        dutch, english = (await api.get("/nl/status")).text, (await api.get("/en/status")).text
    assert "Verwijderen van oude berichten en tests: niet gedaan sinds " in dutch
    assert "Deleting old payloads and tests: not done since " in english
    assert str(since.year) in dutch.split("niet gedaan sinds ")[1][:40]
    assert "Al het onderhoud is op tijd gedaan." not in dutch


@pytest.mark.parametrize("language", ["nl", "en"])
def test_every_work_has_a_text(language):
    texts = texts_of("page", language)
    assert all(texts[f"upkeep_{work}"] for work in Work)
