"""The public broker as deploy/ configures it: anonymous clients read public topics only, and cannot publish."""

import getpass
import threading
import time
from contextlib import suppress

import paho.mqtt.client as mqtt
import pytest

from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.deploy.brokers import CommandLineAuthority, DeployedBroker, write_users
from tests.deploy.conftest import DEPLOY
from tests.deploy.test_broker_security import Client, wait_until
from tests.gateway.enrolled_node import enrol_node

pytestmark = pytest.mark.slow
LIVE = "pw/v1/ijmond/live"
SECRET = ["pw/v1/ijmond/ijm-001/readings", "pw/v1/ijmond/ijm-001/status", "pw/v1/ijmond/ijm-001/health"]


class BrokerPair:
    """The broker of the nodes and the public broker beside it."""

    def __init__(self, kind, folder, dsn):
        enrol_node(dsn, "ijm-001")
        authority = CommandLineAuthority(folder)
        write_users(folder / "inner", dsn)
        self.inner = DeployedBroker(kind, folder / "inner", authority)
        names = ("piekwacht.gateway", "piekwacht.public", "ijm-001")
        self.tls = {name: authority.issue(name) for name in names}
        self.port, self.web, self.folder = find_free_port(), find_free_port(), folder
        self.command = [str(DeployedBroker.find_program("mosquitto")), "-c", str(self._write_configuration())]
        self.start()
        self.gateway = self.create_client("piekwacht.gateway")
        assert self.gateway.connect()

    def _write_configuration(self):
        text = (DEPLOY / "mosquitto/public.conf").read_text()
        for before, after in {
            "/etc/piekwacht/tls": str(self.tls["piekwacht.public"]["ca"].parent),
            "/mosquitto/config/public.acl": str(DEPLOY / "mosquitto/public.acl"),
            "address broker:8883": f"address 127.0.0.1:{self.inner.port}",
            "listener 1883\n": f"user {getpass.getuser()}\nlistener {self.port} 127.0.0.1\n",
            "listener 9001\n": f"listener {self.web} 127.0.0.1\n",
            "max_connections 2000\n\nlistener": "max_connections 40\n\nlistener",
        }.items():
            assert before in text, before
            text = text.replace(before, after)
        path = self.folder / "public.conf"
        path.write_text(text)
        return path

    def start(self):
        self.child = Child("public", self.command, log=self.folder / "public.log")
        self.child.wait_until(lambda: is_port_open("127.0.0.1", self.port) and is_port_open("127.0.0.1", self.web))

    def stop(self):
        self.gateway.close()
        self.child.stop()
        self.inner.stop()

    def create_client(self, name):
        return Client(self.inner, self.tls[name], name.replace(".", "-"))


class AnonymousClient:
    """An anonymous client of the public broker; stores the received messages."""

    def __init__(self, brokers, *, web=False, identifier="", topics=("#",)):
        self.received, self.up = [], threading.Event()
        kind = "websockets" if web else "tcp"
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=identifier, transport=kind)
        self.client.on_connect = lambda client, *_: ([client.subscribe(topic) for topic in topics], self.up.set())
        self.client.on_message = lambda _c, _u, message: self.received.append((message.topic, message.payload))
        self.client.connect("127.0.0.1", brokers.web if web else brokers.port)
        self.client.loop_start()

    def __enter__(self):
        assert self.up.wait(3)
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=["mosquitto", "nats-server"])
def brokers(request, tmp_path, database):
    brokers = BrokerPair(request.param, tmp_path, database)
    yield brokers
    brokers.stop()


def all_receive(brokers, payload, *clients):
    """Whether each client receives a message of the gateway; the bridge may need a moment to connect."""

    def publish_and_check():
        brokers.gateway.client.publish(LIVE, payload)
        return wait_until(lambda: all((LIVE, payload) in client.received for client in clients), 0.5)

    return wait_until(publish_and_check, 15)


def test_an_anonymous_client_with_all_subscriptions_receives_only_public_topics(brokers):
    with (
        AnonymousClient(brokers, topics=["#", "$SYS/#", "pw/v1/+/+/readings", "pw/v1/+/+/+"]) as plain,
        AnonymousClient(brokers, web=True) as web,
        brokers.create_client("ijm-001") as node,
    ):
        assert all_receive(brokers, b"{}", plain, web)
        for topic in SECRET:
            node.publish(topic, b"secret", retain=True)
        for topic in ("pw/v1/ijmond/ijm-001/stored", "pw/v1/ijmond/ijm-001/config"):
            brokers.gateway.publish(topic, b"secret", retain=True)
        assert all_receive(brokers, b"again", plain, web)
        assert {topic for client in (plain, web) for topic, _ in client.received} == {LIVE}
        assert b"secret" not in {payload for client in (plain, web) for _, payload in client.received}


def test_messages_of_anonymous_clients_are_not_forwarded(brokers):
    with AnonymousClient(brokers) as client:
        brokers.gateway.subscribe("pw/v1/+/+/readings", "pw/v1/+/+/status")
        assert all_receive(brokers, b"{}", client)
        client.received.clear()
        for topic in (LIVE, *SECRET, "anything", "$SYS/x"):
            for version in (mqtt.MQTTv311, mqtt.MQTTv5):
                forger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
                forger.connect("127.0.0.1", brokers.port)
                forger.loop_start()
                assert wait_until(forger.is_connected, 10)
                forger.publish(topic, b"forged", qos=1)
                time.sleep(0.1)
                forger.disconnect()
                forger.loop_stop()
        assert brokers.gateway.received == []
        assert b"forged" not in {payload for _, payload in client.received}


def test_an_anonymous_client_with_the_id_of_the_bridge_does_not_disconnect_the_bridge(brokers):
    with AnonymousClient(brokers) as client:
        assert all_receive(brokers, b"{}", client)
        for name in ("live", "local.live", "piekwacht.public", "local.piekwacht-public"):
            with AnonymousClient(brokers, identifier=name):
                client.received.clear()
                assert all_receive(brokers, name.encode(), client)


def test_connections_above_the_limit_are_refused_and_nodes_still_connect(brokers):
    clients = []
    try:
        for _ in range(60):  # Mosquitto before 2.0.13 frees a connection for each one that it refuses
            client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
            with suppress(OSError):
                client.connect("127.0.0.1", brokers.port)
            client.loop_start()
            clients.append(client)
        assert wait_until(lambda: sum(client.is_connected() for client in clients) >= 38, 30)
        time.sleep(0.5)
        assert sum(client.is_connected() for client in clients) < 55  # 40, and about half of the later ones
        with brokers.create_client("ijm-001"):
            pass
    finally:
        for client in clients:
            client.disconnect()
            client.loop_stop()


def test_the_feed_continues_after_a_restart_of_the_nodes_broker(brokers):
    with AnonymousClient(brokers) as client:
        assert all_receive(brokers, b"before", client)
        brokers.inner.stop()
        brokers.inner.start()
        assert all_receive(brokers, b"after", client)
