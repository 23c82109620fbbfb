"""The broker for everybody as deploy/ configures it: strangers read what is public, nothing else, and say nothing."""

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


class House:
    """The nodes' broker and beside it the one for everybody."""

    def __init__(self, kind, folder, dsn):
        enrol_node(dsn, "ijm-001")
        authority = CommandLineAuthority(folder)
        write_users(folder / "inner", dsn)
        self.inner = DeployedBroker(kind, folder / "inner", authority)
        names = ("piekwacht.gateway", "piekwacht.public", "ijm-001")
        self.tls = {name: authority.issue(name) for name in names}
        self.port, self.web, self.folder = find_free_port(), find_free_port(), folder
        self.command = [str(DeployedBroker.find_program("mosquitto")), "-c", str(self._written())]
        self.start()
        self.gateway = self.named("piekwacht.gateway")
        assert self.gateway.connect()

    def _written(self):
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

    def named(self, name):
        return Client(self.inner, self.tls[name], name.replace(".", "-"))


class Stranger:
    """Somebody without a name; remembers what he was sent and what he was refused."""

    def __init__(self, house, *, web=False, identifier="", topics=("#",)):
        self.heard, self.refused, self.up, self.down = [], [], threading.Event(), threading.Event()
        kind = "websockets" if web else "tcp"
        self.client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=identifier, transport=kind)
        self.client.on_connect = lambda client, *_: ([client.subscribe(one) for one in topics], self.up.set())
        self.client.on_disconnect = lambda *_: self.down.set()
        self.client.on_message = lambda _c, _u, message: self.heard.append((message.topic, message.payload))
        self.client.connect("127.0.0.1", house.web if web else house.port)
        self.client.loop_start()

    def __enter__(self):
        assert self.up.wait(3)
        time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=["mosquitto", "nats-server"])
def house(request, tmp_path, database):
    house = House(request.param, tmp_path, database)
    yield house
    house.stop()


def told(house, payload, *strangers):
    """Whether each of them hears what the gateway says; the bridge may need a moment to stand."""

    def heard():
        house.gateway.client.publish(LIVE, payload)
        return wait_until(lambda: all((LIVE, payload) in one.heard for one in strangers), 0.5)

    return wait_until(heard, 15)


def test_a_stranger_who_listens_to_all_hears_what_is_public_and_no_more(house):
    with (
        Stranger(house, topics=["#", "$SYS/#", "pw/v1/+/+/readings", "pw/v1/+/+/+"]) as plain,
        Stranger(house, web=True) as web,
        house.named("ijm-001") as node,
    ):
        assert told(house, b"{}", plain, web)
        for topic in SECRET:
            node.publish(topic, b"secret", retain=True)
        for topic in ("pw/v1/ijmond/ijm-001/stored", "pw/v1/ijmond/ijm-001/config"):
            house.gateway.publish(topic, b"secret", retain=True)
        assert told(house, b"again", plain, web)
        assert {topic for one in (plain, web) for topic, _ in one.heard} == {LIVE}
        assert b"secret" not in {payload for one in (plain, web) for _, payload in one.heard}


def test_nothing_a_stranger_says_is_passed_on(house):
    with Stranger(house) as other:
        house.gateway.subscribe("pw/v1/+/+/readings", "pw/v1/+/+/status")
        assert told(house, b"{}", other)
        other.heard.clear()
        for topic in (LIVE, *SECRET, "anything", "$SYS/x"):
            for version in (mqtt.MQTTv311, mqtt.MQTTv5):
                forger = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=version)
                forger.connect("127.0.0.1", house.port)
                forger.loop_start()
                assert wait_until(forger.is_connected, 10)
                forger.publish(topic, b"forged", qos=1)
                time.sleep(0.1)
                forger.disconnect()
                forger.loop_stop()
        assert house.gateway.received == []
        assert b"forged" not in {payload for _, payload in other.heard}


def test_a_stranger_who_calls_himself_the_bridge_does_not_cut_it(house):
    with Stranger(house) as other:
        assert told(house, b"{}", other)
        for name in ("live", "local.live", "piekwacht.public", "local.piekwacht-public"):
            with Stranger(house, identifier=name):
                other.heard.clear()
                assert told(house, name.encode(), other)


def test_a_full_house_lets_nobody_else_in_and_the_nodes_do_not_notice(house):
    strangers = []
    try:
        for _ in range(60):  # each knocks once: Mosquitto before 2.0.13 gives a place free for each one it refuses
            one = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, reconnect_on_failure=False)
            with suppress(OSError):
                one.connect("127.0.0.1", house.port)
            one.loop_start()
            strangers.append(one)
        assert wait_until(lambda: sum(one.is_connected() for one in strangers) >= 38, 30)
        time.sleep(0.5)
        assert sum(one.is_connected() for one in strangers) < 55  # 40, and about half of those who came too late
        with house.named("ijm-001"):
            pass
    finally:
        for one in strangers:
            one.disconnect()
            one.loop_stop()


def test_after_the_nodes_broker_was_away_the_feed_comes_back(house):
    with Stranger(house) as other:
        assert told(house, b"before", other)
        house.inner.stop()
        house.inner.start()
        assert told(house, b"after", other)
