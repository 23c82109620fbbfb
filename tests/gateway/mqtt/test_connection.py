"""MqttConnection on real brokers: explicit acknowledgement, bounded waiting, plain error texts."""

import asyncio

import pytest

from gateway.mqtt import packets
from gateway.mqtt.client import create_client
from gateway.mqtt.connection import BrokerUnavailableError, open_connection
from gateway.mqtt.settings import BrokerSettings
from gateway.system.child_process import find_free_port
from gateway.system.embedded_servers import Broker

TOPIC = "pw/v1/ijmond/ijm-001/readings"


async def send(broker, count, *, start=0):
    async with create_client(broker, "sender") as sender:
        for number in range(start, start + count):
            await sender.publish(TOPIC, b"%d" % number, qos=1)


async def receive(connection, count):
    received = []
    async with asyncio.timeout(30):  # nats-server sends again after its ack_wait of 10 s
        while len(received) < count:
            received += await connection.receive(1000, 0.01)
    return received


def read_numbers(messages):
    return [int(message.payload) for message in messages]


async def test_unacknowledged_messages_are_delivered_again_on_the_next_connection(each_broker):
    async with open_connection(each_broker, "gateway", max_waiting=100) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        await send(each_broker, 5)
        received = await receive(connection, 5)
        assert read_numbers(received) == [0, 1, 2, 3, 4]
        assert {message.topic for message in received} == {TOPIC}
        await connection.acknowledge(received[:2])
    await send(each_broker, 1, start=5)
    async with open_connection(each_broker, "gateway", max_waiting=100) as connection:
        assert sorted(read_numbers(await receive(connection, 4))) == [2, 3, 4, 5]


async def test_reading_pauses_at_max_waiting_and_no_message_is_lost(broker):
    async with open_connection(broker, "gateway", max_waiting=10) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        await send(broker, 1)
        await receive(connection, 1)
        async with create_client(broker, "sender") as sender:
            for number in range(200):  # 10 kB each: more than one read brings
                await sender.publish(TOPIC, b"%d" % number + b" " * 100_000, qos=1)
        await asyncio.sleep(0.3)
        assert len(connection) < 100
        received = []
        while len(received) < 200:
            received += await connection.receive(10, 0)
            await connection.acknowledge(received[-10:])
        assert read_numbers(received) == list(range(200))


async def test_messages_wait_up_to_a_number_of_bytes_and_none_is_lost(broker):
    """A sender chooses how long its messages are, up to the broker's limit; not how much memory we need."""
    async with open_connection(broker, "gateway", max_waiting=4_000) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        async with create_client(broker, "sender") as sender:
            for number in range(100):
                await sender.publish(TOPIC, b"%d" % number + b" " * 1_000_000, qos=1)
        await asyncio.sleep(0.5)
        assert len(connection) <= 20
        received = []
        async with asyncio.timeout(60):
            while len(received) < 100:
                messages = await connection.receive(1_000, 0)
                assert sum(len(message.payload) for message in messages) <= 8 << 20
                received += messages
                await connection.acknowledge(messages)
    assert read_numbers(received) == list(range(100))


async def test_a_message_longer_than_any_batch_is_cut_and_acknowledged(broker):
    async with open_connection(broker, "gateway", max_waiting=10) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        async with create_client(broker, "sender") as sender:
            await sender.publish(TOPIC, b"x" * (30 << 20), qos=1)
        await send(broker, 1)
        received = await receive(connection, 2)
        await connection.acknowledge(received)
    assert len(received[0].payload) < packets.MAX_PACKET_BYTES
    assert received[1].payload == b"0"
    async with open_connection(broker, "gateway", max_waiting=10) as connection:
        await send(broker, 1, start=5)
        assert read_numbers(await receive(connection, 1)) == [5], "the first two are not delivered again"


async def test_a_subscription_succeeds_if_its_reply_follows_more_than_max_waiting_messages(broker):
    async with open_connection(broker, "gateway", max_waiting=1) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
    async with create_client(broker, "sender") as sender:
        for number in range(20):
            await sender.publish(TOPIC, b"%d" % number + b" " * 100_000, qos=1)
    async with open_connection(broker, "gateway", max_waiting=1) as connection:
        await asyncio.sleep(0.3)  # it has filled up
        await connection.subscribe(["pw/v1/+/+/readings"])
        assert sorted(set(read_numbers(await receive(connection, 20)))) == list(range(20))


async def test_a_cancelled_receive_takes_no_message(broker):
    async with open_connection(broker, "gateway", max_waiting=100) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        waiting = asyncio.create_task(connection.receive(10, 5.0))
        await send(broker, 3)
        while len(connection) < 3:
            await asyncio.sleep(0.01)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        assert read_numbers(await receive(connection, 3)) == [0, 1, 2]


async def test_a_retained_message_reaches_later_subscribers(each_broker):
    async with open_connection(each_broker, "gateway", max_waiting=100) as connection:
        await connection.publish("pw/v1/ijmond/ijm-001/stored", b"word", retain=True, at_least_once=True)
    async with create_client(each_broker, "node") as node:
        await node.subscribe("pw/v1/ijmond/ijm-001/stored", qos=1)
        async with asyncio.timeout(10):
            message = await anext(node.messages)
    assert (message.payload, message.retain) == (b"word", True)


async def test_a_stopped_broker_ends_every_pending_call(tmp_path):
    server = Broker(tmp_path / "broker")
    async with open_connection(server.settings, "gateway", max_waiting=100) as connection:
        await connection.subscribe(["pw/v1/+/+/readings"])
        waiting = asyncio.create_task(connection.receive(10, 0.01))
        await asyncio.sleep(0.05)
        await asyncio.to_thread(server.stop)
        with pytest.raises(BrokerUnavailableError, match="closed the connection"):
            async with asyncio.timeout(10):
                await waiting
        with pytest.raises(BrokerUnavailableError):
            await connection.acknowledge([])


async def test_a_refused_connection_has_a_plain_error_text():
    with pytest.raises(BrokerUnavailableError, match="Connect call failed"):
        async with open_connection(BrokerSettings(port=find_free_port()), "gateway", max_waiting=1):
            pass


@pytest.mark.parametrize(
    ("answer", "error_text"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "no MQTT broker|closed the connection"),
        (b"\x20\x02\x00\x05", "refuses us: not authorised"),
        (b"\x20\x02\x00\x63", "refuses us: code 99"),
        (b"\x20\xff\xff\xff\xff", "more than four bytes"),
        (b"", "closed the connection"),
    ],
)
async def test_unexpected_replies_have_plain_error_texts(answer, error_text):
    async def reply(reader, writer):
        await reader.read(1000)
        writer.write(answer)
        await writer.drain()
        writer.close()
        await writer.wait_closed()

    async with await asyncio.start_server(reply, "127.0.0.1", 0) as server:
        with pytest.raises(BrokerUnavailableError, match=error_text):
            async with open_connection(
                BrokerSettings(port=server.sockets[0].getsockname()[1]), "gateway", max_waiting=1
            ):
                pass
