"""Attacks on the broker as deploy/ configures it are rejected, and the gateway's queue stays intact."""

import signal
import socket
import ssl
import threading
import time

import paho.mqtt.client as mqtt
import psycopg
import pytest

from edge_agent.wire import Signer
from gateway.ingest.consumer import derive_session_name
from tests.deploy.brokers import CommandLineAuthority, DeployedBroker, write_users
from tests.gateway.enrolled_node import enrol_node

pytestmark = pytest.mark.slow

READINGS = "pw/v1/ijmond/ijm-001/readings"
QUEUED = [f"reading {number}".encode() for number in range(50)]
GATEWAY = derive_session_name(Signer.generate("gateway.ijmond"), ["ijmond"])


class Client:
    """One MQTT connection with a certificate; records the messages that it receives."""

    def __init__(self, broker, tls, identifier, *, clean=True, version=mqtt.MQTTv311):
        self.received, self.rejected, self._up, self._down = [], [], threading.Event(), threading.Event()
        self.client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2, client_id=identifier, clean_session=clean, protocol=version
        )
        context = ssl.create_default_context(cafile=tls["ca"])
        if "certificate" in tls:
            context.load_cert_chain(tls["certificate"], tls["key"])
        self.client.tls_set_context(context)
        self.client.on_connect = lambda _c, _u, _f, reason, _p: self._handle_answer(reason)
        self.client.on_disconnect = lambda *_: self._down.set()
        self.client.on_message = lambda _c, _u, message: self.received.append(message)
        self.client.on_subscribe = lambda _c, _u, _m, codes, _p: self.rejected.extend(code.is_failure for code in codes)
        self._broker = broker

    def _handle_answer(self, reason):
        if not reason.is_failure:
            self._up.set()

    def connect(self):
        """Connect; return whether the broker accepts the connection."""
        try:
            self.client.connect("127.0.0.1", self._broker.port, keepalive=10)
        except OSError:
            return False
        self.client.loop_start()
        wait_until(lambda: self._up.is_set() or self._down.is_set(), 20)
        return self._up.is_set() and not self._down.wait(0.2)

    def subscribe(self, *topics):
        count = len(self.rejected)
        for topic in topics:
            self.client.subscribe(topic, qos=1)
        wait_until(lambda: len(self.rejected) == count + len(topics) or self._down.is_set())
        return self

    def publish(self, topic, body=b"forged", **more):
        """Publish and wait at most 1 s for the acknowledgement, which a broker may withhold from a forger."""
        self.client.publish(topic, body, qos=1, **more).wait_for_publish(1)

    @property
    def disconnected(self):
        return self._down.is_set()

    def close(self):
        self.client.disconnect()
        self.client.loop_stop()

    def __enter__(self):
        if not self.connect():
            self.close()
            pytest.fail("the broker rejects a client that it should accept")
        return self

    def __exit__(self, *_):
        self.close()


def wait_until(condition, seconds=5.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    return condition()


class Site:
    """A broker, two enrolled nodes, and a disconnected gateway with 50 readings in its queue."""

    def __init__(self, kind, folder, dsn):
        self.folder, self.dsn, self.gateway_messages = folder, dsn, []
        for node in ("ijm-001", "ijm-002"):
            enrol_node(dsn, node, station=f"station-{node}")
        self.authority = CommandLineAuthority(folder)
        write_users(folder / "broker", dsn)
        self.broker = DeployedBroker(kind, folder / "broker", self.authority)
        self.names = ("piekwacht.gateway", "piekwacht.api", "ijm-001", "ijm-002")
        self.tls = {name: self.authority.issue(name) for name in self.names}

    def client(self, name, identifier=None, **more):
        return Client(self.broker, self.tls[name], identifier or name.replace(".", "-"), **more)

    def gateway(self):
        """Return a client for the gateway's session; the site records the messages."""
        gateway = self.client("piekwacht.gateway", GATEWAY, clean=False)
        gateway.received = self.gateway_messages
        return gateway

    def queue_up(self):
        with self.gateway() as gateway:
            gateway.subscribe("pw/v1/+/+/readings")
        with self.client("ijm-001") as node:
            publications = [node.client.publish(READINGS, body, qos=1) for body in QUEUED]
            for publication in publications:
                publication.wait_for_publish(5)

    def gateway_received(self):
        with self.gateway() as gateway:
            gateway.subscribe("pw/v1/+/+/readings")
            wait_until(lambda: {message.payload for message in self.gateway_messages} >= set(QUEUED), 10)
            time.sleep(0.2)  # for messages that should not arrive
        return {message.payload for message in self.gateway_messages}


@pytest.fixture(params=["mosquitto", "nats-server"])
def site(request, tmp_path, database):
    site = Site(request.param, tmp_path, database)
    try:
        site.queue_up()
        yield site
    finally:
        site.broker.stop()


@pytest.fixture(autouse=True)
def queue_is_intact(site):
    """After every test the gateway receives its 50 readings, and nothing else."""
    yield
    assert site.gateway_received() == set(QUEUED)


def test_without_tls_a_connection_is_rejected(site):
    with socket.create_connection(("127.0.0.1", site.broker.port), timeout=2) as connection:
        connection.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x0a\x00\x04evil")
        try:
            answer = connection.recv(64)
        except OSError:
            answer = b""
        assert not answer.startswith(b"\x20"), "no CONNACK"


def test_without_a_certificate_a_client_is_rejected(site):
    assert not Client(site.broker, {"ca": site.tls["ijm-001"]["ca"]}, "evil").connect()


def test_a_certificate_of_another_authority_is_rejected(site):
    foreign = CommandLineAuthority(site.folder, "foreign")
    for name in ("piekwacht.gateway", "ijm-001"):
        tls = {**foreign.issue(name), "ca": site.tls["ijm-001"]["ca"]}
        assert not Client(site.broker, tls, name).connect()


def test_an_outdated_tls_version_is_rejected(site):
    context = ssl.create_default_context(cafile=site.tls["ijm-001"]["ca"])
    context.load_cert_chain(site.tls["ijm-001"]["certificate"], site.tls["ijm-001"]["key"])
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    with socket.create_connection(("127.0.0.1", site.broker.port)) as connection, pytest.raises(OSError):  # noqa: PT011
        context.wrap_socket(connection, server_hostname="127.0.0.1")


def test_a_revoked_node_is_rejected(site):
    assert site.client("ijm-002").connect()
    site.authority.revoke("ijm-002")
    with psycopg.connect(site.dsn, autocommit=True) as connection:
        connection.execute("UPDATE node SET revoked_at = now() WHERE id = 'ijm-002'")
    if site.broker.kind == "mosquitto":
        (site.broker.tls / "crl.pem").write_bytes((site.authority.folder / "crl.pem").read_bytes())
    else:
        write_users(site.broker.folder, site.dsn)
    site.broker.signal(signal.SIGHUP)
    time.sleep(0.5)
    assert not site.client("ijm-002", "another").connect()
    with site.client("ijm-001"):
        pass


FORGED = [
    "pw/v1/ijmond/ijm-001/readings",  # in the name of another node
    "pw/v1/ijmond/ijm-003/readings",  # in the name of no node
    "pw/v1/ijmond/ijm-001/stored",  # only the gateway may send it: nodes delete readings then
    "pw/v1/ijmond/ijm-001/config",
    "pw/v1/ijmond/ijm-002/stored",
    "pw/v1/ijmond/live",
    "$SYS/broker/uptime",
]


def test_a_node_publishes_only_its_own_topics(site):
    topics = ["pw/v1/ijmond/ijm-001/stored", "pw/v1/ijmond/ijm-001/config"]
    with site.client("ijm-001") as victim, site.client("piekwacht.api") as api:
        victim.subscribe(*topics)
        api.subscribe("pw/v1/+/live")
        with site.client("ijm-002") as forger:
            for topic in FORGED:
                forger.client.publish(topic, b"forged", qos=1)
                forger.client.publish(topic, b"forged", qos=1, retain=True)
            time.sleep(0.5)
        assert victim.received == []
        assert api.received == []
    with site.client("ijm-001") as later:
        later.subscribe(*topics)
        time.sleep(0.3)
        assert later.received == [], "no forged message is retained"


WILDCARDS = ["#", "pw/#", "pw/v1/#", "pw/v1/+/+/readings", "+/+/+/+/+", "$SYS/#", "$MQTT/#"]


def test_only_the_gateway_receives_all_topics(site):
    with site.client("ijm-002") as spy, site.client("piekwacht.api") as other, site.client("ijm-001") as node:
        for client in (spy, other):
            client.subscribe(*WILDCARDS)
        with site.gateway() as gateway:
            gateway.publish("pw/v1/ijmond/ijm-001/stored", b"for ijm-001")
            node.publish("pw/v1/ijmond/ijm-001/status", b"status")
            time.sleep(0.3)
        assert spy.received + other.received == []


@pytest.mark.parametrize("clean", [True, False])
def test_no_node_takes_over_the_gateways_session(site, clean):
    """With the gateway's id. On Mosquitto it is useless without the certificate; on NATS it cannot be guessed."""
    guess = GATEWAY if site.broker.kind == "mosquitto" else GATEWAY.rsplit("-", 1)[0]
    with site.client("ijm-002", guess, clean=clean) as thief:  # while the gateway is disconnected
        thief.subscribe("pw/v1/+/+/readings")
        time.sleep(0.3)
        assert thief.received == []
    with site.gateway() as gateway:
        thief = site.client("ijm-002", guess, clean=clean)
        thief.connect()
        thief.subscribe("pw/v1/+/+/readings")
        assert not gateway.disconnected
        assert thief.received == []
        thief.close()


def test_a_retained_message_is_read_only_by_its_node(site):
    topic = "pw/v1/ijmond/ijm-001/stored"
    with site.gateway() as gateway:
        gateway.publish(topic, b"ranges", retain=True)
    with site.client("ijm-002") as spy:
        spy.subscribe(topic, "pw/v1/ijmond/+/stored", "pw/v1/+/+/+")
        time.sleep(0.3)
        assert spy.received == []
    with site.client("ijm-001") as node:
        node.subscribe(topic)
        assert wait_until(lambda: [message.payload for message in node.received] == [b"ranges"])
