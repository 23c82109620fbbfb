"""From `piekwacht ca init` to a revoked node: commands, archive, broker with TLS, agent and gateway."""

import getpass
import shutil
import ssl
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from edge_agent import identity
from edge_agent.wire import Signer
from gateway import __main__ as command
from gateway.model.registry import Area, Station
from gateway.store import stations
from gateway.system.child_process import Child, find_free_port, is_port_open
from tests.gateway.enrolled_node import OUTLINE
from tests.waiting import wait_until

FOLDER = Path(__file__).resolve().parents[2] / "firmware_configs"
MOSQUITTO = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
KIT = 'title = "simulated"\n[[sensor]]\ndriver = "simulated"\ninterval_seconds = 0.1\nproperties = ["pm2_5"]\n'
BATCH = "[batch]\ninterval_seconds = 0.2\nforget_seconds = 0\ndrain_seconds = 1\n"
CONFIGURED = BATCH + '[[sensor]]\ndriver = "simulated"\ninterval_seconds = 0.1\nproperties = ["pm10"]\n'


class Site:
    """A gateway's folder, its database, and the firmware configurations of one site."""

    def __init__(self, folder: Path, dsn: str) -> None:
        self.folder, self.dsn, self.port = folder, dsn, find_free_port()
        self.firmware = Path(shutil.copytree(FOLDER, folder / "firmware_configs"))
        (self.firmware / "kits/sps30-sgp41.toml").write_text(KIT + "[batch]\ninterval_seconds = 0.2\n")
        site = self.firmware / "sites/ijmond/site.toml"
        text = site.read_text().replace("ntp.piekwacht.example", "127.0.0.1")
        site.write_text(text.replace("broker.ijmond.piekwacht.example", "127.0.0.1") + f"broker_port = {self.port}\n")
        self.key = Signer.generate("gateway.ijmond")
        (folder / "gateway.key").write_text(self.key.export())
        self.config = folder / "piekwacht.toml"
        self.config.write_text(f"""
[database]
dsn = "{dsn}"
[broker]
port = {self.port}
tls = {{ ca = "ca/ca.pem", certificate = "gateway.pem", key = "gateway.key.pem" }}
[ingest]
key_file = "gateway.key"
areas = ["ijmond"]
window_seconds = 0.01
""")
        with psycopg.connect(dsn, autocommit=True) as connection:
            stations.put_area(connection, Area(id="ijmond", name="IJmond", authority="OD", outline=OUTLINE))
            place = {"id": "wijk-aan-zee-dorp", "area": "ijmond", "name": "Dorp", "latitude": 52.49, "longitude": 4.59}
            stations.put_station(connection, Station(**place))

    def run(self, *words: str) -> int:
        """Run a command with the options that an operator would give."""
        options = ["--ca", str(self.folder / "ca")]
        if words[0] == "node":
            options = ["--config", str(self.config), *([] if words[1] in {"list", "configure"} else options)]
        return command.main([*words, *options])

    def enrol(self, *words: str) -> int:
        return self.run("node", "enrol", "ijmond", "ijm-001", "--firmware-configs", str(self.firmware), *words)

    def count(self, query: str = "SELECT count(*) FROM batch") -> int:
        with psycopg.connect(self.dsn) as connection:
            return connection.execute(query).fetchone()[0]


@pytest.fixture
def site(tmp_path, database):
    site = Site(tmp_path, database)
    assert site.run("ca", "init", "ijmond") == 0
    return site


def unpack(archive: Path, card: Path) -> Path:
    """Put the archive on a card, and the card's files where cloud-init puts them; returns agent.toml."""
    with zipfile.ZipFile(archive) as card_file:
        assert {entry.external_attr >> 16 & 0o777 for entry in card_file.infolist()} == {0o600}
        card_file.extractall(card)
    config = card / "piekwacht/agent.toml"
    text = config.read_text().replace("/etc/piekwacht", str(card / "piekwacht"))
    config.write_text(text.replace("/var/lib/piekwacht", str(card)))
    return config


def broker(site: Site) -> Child:
    (site.folder / "broker.conf").write_text(f"""
user {getpass.getuser()}
listener {site.port} 127.0.0.1
cafile {site.folder}/ca/ca.pem
crlfile {site.folder}/ca/crl.pem
certfile {site.folder}/broker.pem
keyfile {site.folder}/broker.key
require_certificate true
use_identity_as_username true
""")
    child = Child("broker", [MOSQUITTO, "-c", str(site.folder / "broker.conf")], log=site.folder / "broker.log")
    wait_until(lambda: is_port_open("127.0.0.1", site.port))
    return child


@pytest.mark.slow
@pytest.mark.skipif(MOSQUITTO is None, reason="no mosquitto on this machine")
def test_from_the_authority_to_revocation_without_losing_a_reading(site, tmp_path, capsys):
    assert site.run("ca", "server", "broker", "--host", "127.0.0.1", "--out", str(tmp_path)) == 0
    assert site.run("ca", "client", "gateway-ijmond", "--out", str(tmp_path)) == 0
    (tmp_path / "gateway-ijmond.key").rename(tmp_path / "gateway.key.pem")
    (tmp_path / "gateway-ijmond.pem").rename(tmp_path / "gateway.pem")
    assert site.enrol("--out", str(tmp_path / "card.zip")) == 0
    config = unpack(tmp_path / "card.zip", tmp_path / "card")
    agent = [sys.executable, "-m", "edge_agent", "run", "--config", str(config)]
    gateway = [sys.executable, "-m", "gateway", "gateway", "--config", str(site.config)]
    with (
        broker(site) as listening,
        Child("gateway", gateway, log=tmp_path / "gateway.log"),
        Child("agent", agent, log=tmp_path / "agent.log"),
    ):
        wait_until(lambda: site.count() > 3)

        (tmp_path / "wanted.toml").write_text(CONFIGURED)
        assert site.run("node", "configure", "ijm-001", str(tmp_path / "wanted.toml")) == 0
        wait_until(lambda: "remote configuration 1 is accepted" in (tmp_path / "agent.log").read_text())
        assert site.run("node", "renew", "ijm-001") == 0
        wait_until(lambda: "remote configuration 2 is accepted" in (tmp_path / "agent.log").read_text())
        issued = sorted((tmp_path / "ca/issued").glob("ijm-001-*.pem"), key=lambda p: p.stat().st_mtime)
        in_force = (tmp_path / "card/spool.accepted.pem", tmp_path / "card/spool.trial.pem")
        assert issued[-1].read_text() in {path.read_text() for path in in_force if path.exists()}
        capsys.readouterr()
        wait_until(lambda: site.run("node", "list") == 0 and "configuration 2 in force" in capsys.readouterr().out, 70)

        assert site.run("node", "revoke", "ijm-001") == 0
        wait_until(lambda: site.count("SELECT count(*) FROM quarantine WHERE reason = 'revoked_node'") > 1)
        before = site.count()
        listening.stop()
        with broker(site):
            wait_until(
                lambda: "it may refuse our certificate: expired, revoked" in (tmp_path / "agent.log").read_text()
            )
        assert "certificate verify failed" in (tmp_path / "broker.log").read_text()
        site.run("node", "list")
        assert "ijm-001              ijmond/wijk-aan-zee-dorp  revoked on" in capsys.readouterr().out
    assert site.count() == before
    assert site.count("SELECT upper(range_agg(int8range(seq, seq, '[]'))) - 1 FROM batch") == before


def test_keys_made_on_the_node_never_leave_it(site, tmp_path, capsys):
    request = identity.create_keys("ijm-001", tmp_path / "node")
    assert {p.name: p.stat().st_mode & 0o777 for p in (tmp_path / "node").glob("*.key")} == {
        "node.key": 0o600,
        "node-tls.key": 0o600,
    }
    assert b"PRIVATE" not in request.read_bytes()
    assert site.enrol("--request", str(request), "--out", str(tmp_path / "card.zip")) == 0
    with zipfile.ZipFile(tmp_path / "card.zip") as card:
        names = set(card.namelist())
        certificate = card.read("piekwacht/node.pem")
    assert names == {
        "user-data", "network-config", "piekwacht/READ-ME.txt", "piekwacht/agent.toml", "piekwacht/config.txt",
        "piekwacht/ca.pem", "piekwacht/node.pem", "piekwacht/gateway.pub",
    }  # fmt: skip
    (tmp_path / "node/node.pem").write_bytes(certificate)
    ssl.create_default_context().load_cert_chain(tmp_path / "node/node.pem", tmp_path / "node/node-tls.key")


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (
            ["node", "revoke", "ijm-009"],
            1,
            "no node ijm-009 is enrolled; `piekwacht node list` prints the enrolled nodes",
        ),
        (["node", "renew", "ijm-009"], 1, "no node ijm-009 is enrolled"),
        (["node", "configure", "ijm-001", "/nowhere.toml"], 2, "/nowhere.toml cannot be read"),
        (["ca", "init", "ijmond"], 1, "already has an authority; choose another folder"),
        (["ca", "server", "broker"], 2, "give each --host by which clients reach broker"),
    ],
)
def test_an_operator_mistake_gives_one_sentence(site, capsys, words, code, sentence):
    capsys.readouterr()
    assert site.run(*words) == code
    error = capsys.readouterr().err
    assert sentence in error
    assert error.startswith("piekwacht: ")
    assert error.count("\n") == 1


def test_a_node_that_measured_before_is_enrolled_since_then(site, tmp_path, capsys):
    since = "SELECT since FROM {} ORDER BY since LIMIT 1"
    assert site.enrol("--out", str(tmp_path / "1.zip"), "--since", "2099-01-01T00:00:00Z") == 1
    assert "cannot have measured since 2099-01-01T00:00:00.000Z, in the future" in capsys.readouterr().err
    assert site.count("SELECT count(*) FROM node") == 0
    assert site.enrol("--out", str(tmp_path / "1.zip"), "--since", "2026-11-01T00:00:00+01:00") == 0
    begin = datetime(2026, 10, 31, 23, tzinfo=UTC)
    assert (site.count(since.format("installation")), site.count(since.format("node_key"))) == (begin, begin)
    assert site.count("SELECT after ->> 'since' FROM access.audit") == "2026-10-31T23:00:00.000Z"
    assert site.enrol("--out", str(tmp_path / "2.zip"), "--replace", "--since", "2026-11-01T00:00:00Z") == 1
    assert "is in the registry already, and its time at a station stays as it is" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        site.enrol("--since", "2026-11-01")
    assert "give the time zone" in capsys.readouterr().err


def test_enrolling_again_needs_an_option_and_an_unknown_station_is_named(site, tmp_path, capsys):
    assert site.enrol("--out", str(tmp_path / "1.zip")) == 0
    assert site.enrol("--out", str(tmp_path / "2.zip")) == 1
    assert "--replace creates a new card for it" in capsys.readouterr().err
    assert site.enrol("--out", str(tmp_path / "1.zip"), "--replace") == 1
    assert "1.zip exists already" in capsys.readouterr().err
    assert site.enrol("--out", str(tmp_path / "2.zip"), "--replace") == 0
    plan = site.firmware / "sites/ijmond/nodes/ijm-001.toml"
    plan.write_text(plan.read_text().replace("wijk-aan-zee-dorp", "elsewhere"))
    assert site.enrol("--out", str(tmp_path / "3.zip"), "--replace") == 1
    assert "the registry has no such station; run `piekwacht site apply` first" in capsys.readouterr().err
    assert not (tmp_path / "3.zip").exists()


def test_placeholder_names_in_the_site_file_are_refused(site, tmp_path, capsys):
    file = site.firmware / "sites/ijmond/site.toml"
    file.write_text(file.read_text().replace('"127.0.0.1"]', '"ntp.piekwacht.example"]'))
    assert site.enrol("--out", str(tmp_path / "1.zip")) == 1
    sentence = f"piekwacht: {file}: replace the placeholders ntp.piekwacht.example by your broker and time server\n"
    assert capsys.readouterr().err == sentence
    assert not (tmp_path / "1.zip").exists()


def test_an_invalid_request_is_refused(site, tmp_path, capsys):
    own_keys, other_keys = identity.NodeKeys.generate("ijm-001"), identity.NodeKeys.generate("ijm-002")
    forged = own_keys.build_request().replace(
        str(own_keys.signer.verifier).encode(), str(other_keys.signer.verifier).encode()
    )
    for body, sentence in (
        (forged, "no signature by ijm-002"),
        (other_keys.build_request(), "the request of ijm-002, not of ijm-001"),
        (b"x", "no enrolment request"),
    ):
        (tmp_path / "bad.request").write_bytes(body)
        assert site.enrol("--request", str(tmp_path / "bad.request"), "--out", str(tmp_path / "card.zip")) == 2
        assert sentence in capsys.readouterr().err
    assert site.count("SELECT count(*) FROM node") == 0
