"""SensorThings Observations over MQTT: a real mosquitto, and paho as the client that subscribes."""

import asyncio
import json
import threading
from contextlib import AsyncExitStack, contextmanager

import paho.mqtt.client as mqtt
import pytest

from edge_agent.wire import Flag
from gateway.mqtt.client import create_client
from gateway.system.embedded_servers import Broker
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import T0
from tests.gateway.tracks.rides import build_payload, enrol_vehicle, ride_east
from tests.waiting import wait_until

RECEIVE_UPDATES = "http://www.opengis.net/spec/iot_sensing/1.1/req/receive-updates-via-mqtt/receive-updates"


@pytest.fixture
def mosquitto(tmp_path):
    with Broker(tmp_path / "mosquitto", program="mosquitto") as broker:
        yield broker.settings


@contextmanager
def subscribe(broker, *topics):
    """Yield the list of (topic, entity) that a paho client receives."""
    received, is_subscribed = [], threading.Event()
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2)
    client.on_connect = lambda subscriber, *_: subscriber.subscribe([(topic, 0) for topic in topics])
    client.on_subscribe = lambda *_: is_subscribed.set()
    client.on_message = lambda _c, _u, message: received.append((message.topic, json.loads(message.payload)))
    client.connect(broker.host, broker.port)
    client.loop_start()
    assert is_subscribed.wait(5)
    yield received
    client.disconnect()
    client.loop_stop()


async def send_live(broker, result):
    """Send the live messages of a commit, as ingest does."""
    async with create_client(broker, "gateway") as connection:
        for message in result.live_messages:
            await connection.publish(f"pw/v1/{message.area}/live", message.encode())


async def wait_for(condition):
    return await asyncio.to_thread(wait_until, condition, 10)


async def test_a_subscriber_gets_each_new_observation_as_the_entity_that_http_has(database, node, pipeline, mosquitto):
    endpoints = ["mqtt://data.example.org:1883", "wss://data.example.org/mqtt"]
    async with running_api(database, mosquitto, mqtt_endpoints=endpoints) as (client, _):
        root = (await client.get("/sta/v1.1")).json()["serverSettings"]
        assert root[RECEIVE_UPDATES] == {"endpoints": endpoints}
        assert RECEIVE_UPDATES in root["conformance"]
        assert RECEIVE_UPDATES not in (await client.get("/sta/v2.0")).text
        first = await pipeline.process([node.payload(1)])
        with subscribe(mosquitto, "v1.1/Datastreams(1)/Observations", "v1.1/Observations") as received:
            await send_live(mosquitto, first)
            await wait_for(lambda: len(received) >= 6)
            flags = {"pm2_5": [0, int(Flag.SENSOR_FAULT)]}
            values = {"pm2_5": [13.5, 900.0], "humidity": [60.0, 61.0]}
            await send_live(
                mosquitto, await pipeline.process([node.payload(2, t0=T0 + 2_000, values=values, flags=flags)])
            )
            await wait_for(lambda: len(received) >= 10)
            await asyncio.sleep(0.3)
        of_one = [entity for topic, entity in received if topic == "v1.1/Datastreams(1)/Observations"]
        assert [entity["result"] for entity in of_one] == [12.1, 12.3, 13.5]
        assert sorted(entity["result"] for topic, entity in received if topic == "v1.1/Observations") == [
            12.1, 12.3, 13.5, 60.0, 60.0, 61.0, 61.0,
        ]  # fmt: skip
        for entity in of_one:
            answer = (await client.get(f"/sta/v1.1/Observations({entity['@iot.id']})")).json()
            assert answer == entity


async def test_one_replica_publishes_and_another_takes_over(database, node, pipeline, mosquitto):
    endpoints = ["mqtt://data.example.org:1883"]
    async with AsyncExitStack() as first, running_api(database, mosquitto, mqtt_endpoints=endpoints):
        await first.enter_async_context(running_api(database, mosquitto, mqtt_endpoints=endpoints))
        with subscribe(mosquitto, "v1.1/Observations") as received:
            await send_live(mosquitto, await pipeline.process([node.payload(1)]))
            await wait_for(lambda: len(received) >= 4)
            await asyncio.sleep(0.5)
            assert len(received) == 4
        await first.aclose()
        await asyncio.sleep(6)  # until the other one has tried to take the lock again
        with subscribe(mosquitto, "v1.1/Observations") as received:
            await send_live(mosquitto, await pipeline.process([node.payload(2, t0=T0 + 2_000)]))
            await wait_for(lambda: len(received) >= 4)


async def test_nothing_is_published_without_an_endpoint_nor_of_a_car(database, node, pipeline, mosquitto):
    car, ride = enrol_vehicle(database), ride_east(5)
    async with running_api(database, mosquitto) as (client, _):
        assert (await client.get("/sta/v1.1")).json()["serverSettings"].keys() == {"conformance"}
        with subscribe(mosquitto, "v1.1/#") as received:
            await send_live(mosquitto, await pipeline.process([node.payload(1)]))
            await asyncio.sleep(1)
            assert received == []
    async with running_api(database, mosquitto, mqtt_endpoints=["mqtt://data.example.org"]):
        with subscribe(mosquitto, "v1.1/#") as received:
            mixed = [build_payload(car, 1, ride, [7.0] * 5), node.payload(2, t0=int(ride.times[0]))]
            await send_live(mosquitto, await pipeline.process(mixed))
            await wait_for(lambda: len(received) >= 8)
            assert 7.0 not in {entity["result"] for _, entity in received}
