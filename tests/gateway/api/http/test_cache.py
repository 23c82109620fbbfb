"""The response cache and the mean cache: the right response, and never older than its limit."""

import asyncio
import gzip
import re
import time
from datetime import UTC, datetime, timedelta

import pytest

from gateway.api.data import averages
from gateway.api.http import cache
from gateway.api.schemas.observations import mean_from_row
from gateway.export.selection import MeanRow
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import T0

_PATH = "/api/v1/stations/wijk-aan-zee/observations"


async def test_a_repeated_request_gets_the_format_of_its_own_accept_header(api, pipeline, node):
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


async def test_a_cached_response_is_counted_and_has_every_header(api, node):
    previous_count = _count_ok_responses(await api.get("/metrics"))
    first, again = [await api.get("/api/v1/areas") for _ in range(2)]
    assert again.content == first.content
    assert {**again.headers, "date": ""} == {**first.headers, "date": ""}
    assert _count_ok_responses(await api.get("/metrics")) - previous_count == 3


def _count_ok_responses(page):
    return float(re.search(r'piekwacht_http_requests_total\{status="200"\} ([0-9.]+)', page.text)[1])


async def test_new_minutes_are_added_to_the_cached_ones(api, pipeline, node):
    start = int(time.time() - 300) * 1000
    await ingest_observations(pipeline, node, 120, start=start)
    previous = (await api.get(_PATH)).json()["items"]
    await ingest_observations(pipeline, node, 120, start=start + 180_000, first_seq=1000)
    await asyncio.sleep(2.1)
    items = (await api.get(_PATH)).json()["items"]
    assert sum(item["count"] for item in items) == 240
    assert [_summary(item) for item in items][-len(previous) + 1 :] == [_summary(item) for item in previous][1:]
    at = [item["start"] for item in items]
    assert at == sorted(set(at), reverse=True)


async def test_a_large_body_is_compressed_once_in_a_thread():
    body = cache.Body(b"fresh air " * 1_000_000)
    compressions = asyncio.gather(*(body.compress() for _ in range(20)))
    turns = 0
    while not compressions.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 1
    assert gzip.decompress(body.gzipped) == body.content


async def test_long_addresses_with_short_answers_fill_the_cache_no_further_than_its_limit():
    responses, limit = cache.Cache(1_000_000), 1_000_000

    async def make():
        return cache.Body(b"[]")

    for number in range(2_000):
        await responses.get(f"{number:04}" + "x" * 4_000, 60.0, make)
    stored = [key for key in list(responses._entries) if responses.find_fresh(key, 60.0)]
    assert 100 <= len(stored) < 250
    assert sum(map(len, stored)) < limit
    assert stored[-1].startswith("1999"), "the newest stay"


def _summary(item):
    return item["start"], item["count"], item["max"]  # a mean's last digit is the database's, which adds in any order


async def test_pages_of_any_size_hold_the_stored_minutes(api, pipeline, node):
    await ingest_observations(pipeline, node, 600)
    at = datetime.fromtimestamp(T0 / 1000, UTC).replace(second=0, microsecond=0)
    period = {"start": (at - timedelta(hours=2)).isoformat(), "end": (at + timedelta(hours=2)).isoformat()}
    means = (await api.get(_PATH, params=period)).json()["items"]
    assert len(means) > 5
    for limit in range(1, len(means) + 1):
        first = (await api.get(_PATH, params={**period, "limit": limit})).json()
        assert first["items"] == means[:limit]
        assert (first["nextCursor"] is None) == (limit == len(means))
        if first["nextCursor"]:
            next_page = (await api.get(_PATH, params={**period, "cursor": first["nextCursor"]})).json()
            assert next_page["items"] == means[limit:]
    for cut in range(len(means)):
        begin = {"start": means[cut]["start"], "end": period["end"]}
        assert (await api.get(_PATH, params=begin)).json()["items"] == means[: cut + 1]


def _block(*minutes, read_at=0.0, complete_at=0.0):
    at = datetime(2026, 11, 21, 12, tzinfo=UTC)
    starts = {n: at + timedelta(minutes=n) for n in minutes}
    rows = [MeanRow(1, starts[n], starts[n] + timedelta(minutes=1), 60, 60, 60, float(n), 0.0, 9.0, 0) for n in minutes]
    return averages.Block([(row.start, mean_from_row(row, (None, None))) for row in rows], read_at, complete_at)


@pytest.mark.parametrize(("since", "expected"), [(5, [9, 8, 4, 3]), (4, [9, 8, 3]), (3, [9, 8])])
def test_a_merged_block_has_the_new_means_before_the_previous_ones(since, expected):
    begin = datetime(2026, 11, 21, 12, tzinfo=UTC)
    new, previous = _block(9, 8).means, _block(9, 8, 4, 3)
    merged = averages.merge_block(new, 7.0, begin, begin + timedelta(minutes=since), previous)
    assert [mean.mean for _, mean in merged.means] == expected
    assert (merged.read_at, merged.complete_at) == (7.0, 0.0)
