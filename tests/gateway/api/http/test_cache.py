"""What is kept for a moment: never another answer than was asked for, never older than is said."""

import asyncio
import gzip
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.data import averages
from gateway.api.http import cache
from gateway.api.schemas.observations import mean_from_row
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

_PATH = "/api/v1/stations/wijk-aan-zee/observations"


async def test_the_same_words_asked_again_give_what_the_header_wants_this_time(api, pipeline, node):
    await ingest_observations(pipeline, node)
    query = {"start": "2026-11-21T02:00:00Z", "end": "2026-11-21T04:00:00Z"}
    for _ in range(2):
        document = await api.get(_PATH, params=query, headers={"Accept": "application/json"})
        table = await api.get(_PATH, params=query, headers={"Accept": "text/csv"})
        assert document.headers["content-type"] == "application/json"
        assert table.headers["content-type"].startswith("text/csv")
        assert (await api.head(_PATH, params=query)).content == b""
        assert (await api.post(_PATH, params=query)).status_code == 405
        assert (await api.get(_PATH, params={**query, "colour": "red"})).status_code == 400


async def test_what_is_kept_is_counted_and_carries_every_header(api, node):
    before = _answered(await api.get("/metrics"))
    first, again = [await api.get("/api/v1/areas") for _ in range(2)]
    assert again.content == first.content
    assert {**again.headers, "date": ""} == {**first.headers, "date": ""}
    assert _answered(await api.get("/metrics")) - before == 3


def _answered(page):
    return float(re.search(r'piekwacht_http_requests_total\{status="200"\} ([0-9.]+)', page.text)[1])


async def test_what_is_being_measured_now_is_added_to_what_is_known(api, pipeline, node):
    start = int(time.time() - 300) * 1000
    await ingest_observations(pipeline, node, 120, start=start)
    known = (await api.get(_PATH)).json()["items"]
    await ingest_observations(pipeline, node, 120, start=start + 180_000, first_seq=1000)
    await asyncio.sleep(2.1)
    items = (await api.get(_PATH)).json()["items"]
    assert sum(item["count"] for item in items) == 240
    assert [_what(item) for item in items][-len(known) + 1 :] == [_what(item) for item in known][1:]
    at = [item["start"] for item in items]
    assert at == sorted(set(at), reverse=True)


async def test_a_large_body_is_packed_once_beside_the_others():
    body = cache.Body(b"fresh air " * 1_000_000)
    waited = asyncio.gather(*(body.compress() for _ in range(20)))
    turns = 0
    while not waited.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1
    assert gzip.decompress(body.gzipped) == body.content


def _what(item):
    return item["start"], item["count"], item["max"]  # a mean's last digit is the database's, which adds in any order


async def test_minutes_cut_anywhere_are_the_minutes_that_are_stored(api, pipeline, node):
    await ingest_observations(pipeline, node, 600)
    at = datetime.fromtimestamp(T0 / 1000, UTC).replace(second=0, microsecond=0)
    whole = {"start": (at - timedelta(hours=2)).isoformat(), "end": (at + timedelta(hours=2)).isoformat()}
    everything = (await api.get(_PATH, params=whole)).json()["items"]
    assert len(everything) > 5
    for limit in range(1, len(everything) + 1):
        first = (await api.get(_PATH, params={**whole, "limit": limit})).json()
        assert first["items"] == everything[:limit]
        assert (first["nextCursor"] is None) == (limit == len(everything))
        if first["nextCursor"]:
            rest = (await api.get(_PATH, params={**whole, "cursor": first["nextCursor"]})).json()
            assert rest["items"] == everything[limit:]
    for cut in range(len(everything)):
        begin = {"start": everything[cut]["start"], "end": whole["end"]}
        assert (await api.get(_PATH, params=begin)).json()["items"] == everything[: cut + 1]


def _block(*minutes, read=0.0, whole=0.0):
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    row = lambda n: (1, at + timedelta(minutes=n), 60, 60, float(n), 0.0, 9.0, 0)  # noqa: E731 - one row
    return averages.Block([(row(n)[1], mean_from_row(row(n), (None, None))) for n in minutes], read, whole)


@pytest.mark.parametrize(("since", "kept"), [(5, [9, 8, 4, 3]), (4, [9, 8, 3]), (3, [9, 8])])
def test_what_was_read_again_stands_before_what_was_not(since, kept):
    begin = datetime(2026, 11, 21, 12, tzinfo=UTC)
    new, older = _block(9, 8).means, _block(9, 8, 4, 3)
    joined = averages.merge_block(new, 7.0, begin, begin + timedelta(minutes=since), older)
    assert [mean.mean for _, mean in joined.means] == kept
    assert (joined.read_at, joined.complete_at) == (7.0, 0.0)
