"""The demo's world is the same for the same seed, and its plumes come from the site."""

from datetime import UTC, datetime, timedelta

import pytest

from edge_agent.sensors.simulated_air import interpolate_wind
from edge_agent.wire import ReadingBatch, Signer
from gateway.demo.live_world import plan_live_world
from gateway.demo.past_readings import PastNode, count_readings, create_stages
from gateway.demo.past_world import plan_past_world
from gateway.demo.stations import SITE_PATH, read_site
from gateway.demo.world import Emission, carry_plume
from gateway.enrolment.site_file import read_site_file
from gateway.model.geodesy import bearing_and_distance

SITE, STATIONS = read_site(), read_site_file(SITE_PATH).station
END = datetime(2026, 11, 29, 7, 20, 31, tzinfo=UTC)
START = END.replace(minute=0, second=0) - timedelta(hours=48)
HOURS_OF_A_YEAR = [END + timedelta(days=11 * i, hours=i) for i in range(33)]


def plan(end=END, seed=20, stations=STATIONS):
    start = end.replace(minute=0, second=0) - timedelta(hours=48)
    return plan_past_world(stations, SITE, seed=seed, start=start, end=end)


def test_the_same_seed_gives_the_same_world_and_another_seed_another():
    assert plan() == plan()
    assert plan(seed=21) != plan()
    assert plan_live_world(STATIONS, SITE, 20) == plan_live_world(STATIONS, SITE, 20)
    assert plan_live_world(STATIONS, SITE, 21) != plan_live_world(STATIONS, SITE, 20)


def bearing_to(station):
    return bearing_and_distance(SITE.latitude, SITE.longitude, station.latitude, station.longitude)[0]


def is_downwind(plume, station, winds):
    """Whether the wind blew from the site to the station while the plume travelled."""
    times = [wind.start_seconds for wind in winds]
    _, metres = bearing_and_distance(SITE.latitude, SITE.longitude, station.latitude, station.longitude)
    moments = (max(0.0, plume.start_seconds - metres / speed) for speed in (5.9, 6.0, 6.1, 7.0))
    angles = (bearing_to(station) - interpolate_wind(winds, times, at)[0] for at in moments)
    return any(abs(angle % 360 - 180) < 35 for angle in angles)


@pytest.mark.parametrize("end", HOURS_OF_A_YEAR, ids=lambda end: f"{end:%m-%d-%H}")
def test_at_any_start_the_history_of_the_demo_has_plumes_fireworks_and_fog(end):
    world = plan(end)
    stations = list(zip(STATIONS, world.stations, strict=True))
    length = (end - world.start).total_seconds()
    everywhere = [min(s.plumes, key=lambda p: -p.duration_seconds) for s in world.stations]
    assert all("humidity" in plume.excess for plume in everywhere), "the fog lasts longest, at every station"
    plumes = [
        (plume, place, station) for place, station in stations for plume in station.plumes if "pm2_5" in plume.excess
    ]
    assert all(plume.start_seconds + plume.duration_seconds < length for plume, _, _ in plumes), "all of it is over"
    fireworks = [plume for plume, _, _ in plumes if plume.duration_seconds > 40 * 60]
    assert len(fireworks) == len(STATIONS)
    from_site = [row for row in plumes if row[0] not in fireworks]
    assert len(from_site) >= 10
    assert all(is_downwind(plume, place, station.winds) for plume, place, station in from_site)


def test_live_plumes_come_from_the_site_and_the_first_within_half_a_minute():
    worlds = plan_live_world(STATIONS, SITE, 20)
    for place, world in zip(STATIONS, worlds, strict=True):
        assert all(is_downwind(plume, place, world.winds) for plume in world.plumes)
    assert min(plume.start_seconds for plume in worlds[0].plumes) == 28
    assert sum(bool(world.plumes) for world in worlds) >= 8, "the front turns the wind to most villages"


def test_a_plume_beside_the_station_does_not_reach_it():
    (wind,) = plan_live_world(STATIONS, SITE, 20)[0].winds[:1]
    emission = Emission(start_seconds=0, duration_seconds=600, excess=50)
    reached = [station.id for station in STATIONS if carry_plume(emission, SITE, station, [wind])]
    assert reached == ["wijk-aan-zee-dorp", "wijk-aan-zee-zuid"]


@pytest.fixture(scope="module")
def keys():
    return [Signer.generate(f"ijm-{number:03}") for number in range(1, 4)]


def make_stages(folder, keys):
    start = END.replace(minute=0, second=0) - timedelta(hours=24)
    nodes = [PastNode(area="ijmond", key=key, log=folder / f"{key.name}.jsonl") for key in keys]
    world = plan_past_world(STATIONS[:3], SITE, seed=20, start=start, end=END)
    return list(create_stages(nodes, world, END, 20)), world


def test_the_batches_are_the_nodes_own_and_each_reading_is_in_a_log_and_in_one_batch(tmp_path, keys):
    stages, world = make_stages(tmp_path, keys)
    for folder in ("again",):
        (tmp_path / folder).mkdir()
        assert make_stages(tmp_path / folder, keys)[0] == stages, "the same bytes, so that a repetition changes nothing"
    by_topic = {f"pw/v1/ijmond/{key.name}/readings": key.verifier for key in keys}
    batches = [
        (ReadingBatch.decode(by_topic[payload.topic].open(payload.body)), stage.late)
        for stage in stages
        for payload in stage.payloads
    ]
    assert all(batch.hist is late for batch, late in batches)
    late_nodes = {batch.node for batch, late in batches if late}
    assert late_nodes == {"ijm-002"}
    expected = count_readings(world.start, END)
    assert expected == 24 * 60 + 20 * 60 + 31
    for key in keys:
        own = [batch for batch, _ in batches if batch.node == key.name]
        times = sorted(batch.t0 + dt for batch in own for dt in batch.dt)
        assert len(times) == len(set(times)) == expected
        assert sorted(batch.seq for batch in own) == list(range(1, len(own) + 1))
        assert len((tmp_path / f"{key.name}.jsonl").read_text().splitlines()) == expected
