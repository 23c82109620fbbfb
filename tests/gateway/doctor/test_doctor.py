"""Whatever is wrong with an installation, the doctor says it in one sentence with a remedy and an exit code."""

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import prometheus_client
import psycopg
import pytest

from gateway import enrolment, settings
from gateway.__main__ import main
from gateway.doctor import certificates, database, files, machine, services
from gateway.doctor.checks import build_checks
from gateway.doctor.finding import FindingLevel
from gateway.enrolment.authority import CertificateAuthority as OldAuthority
from gateway.enrolment.authority import private_pem
from gateway.evaluation.shadow import telemetry as shadow_telemetry
from gateway.mqtt.settings import BrokerSettings, TlsSettings
from gateway.store.migrate import migrate
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.system.embedded_servers import Postgres
from tests.deploy import brokers

NOW = datetime(2026, 11, 21, tzinfo=UTC)
EXAMPLE = Path(enrolment.__file__).parents[2] / "deploy/compose/piekwacht.toml"


def faults(findings):
    return [str(one) for one in findings if one.level is FindingLevel.FAULT]


def worst(findings):
    return max((one.level for one in findings), key=list(FindingLevel).index)


@pytest.fixture
def authority(tmp_path):
    return brokers.CommandLineAuthority(tmp_path)


@pytest.fixture
def mosquitto(tmp_path, authority):
    broker = brokers.DeployedBroker("mosquitto", tmp_path / "broker", authority)
    yield broker
    broker.stop()


def reaching(broker, tls, host="127.0.0.1"):
    return BrokerSettings(host=host, port=broker.port, tls=TlsSettings(**tls))


def test_half_a_configuration_is_one_sentence_wherever_the_pen_was_dropped(tmp_path, capsys):
    text, path = EXAMPLE.read_text(), tmp_path / "piekwacht.toml"
    refused = 0
    for length in range(0, len(text), 97):
        path.write_text(text[:length])
        refused += main(["doctor", "--config", str(path), "--only", "disk"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert all(line.startswith(f"piekwacht: {path}: ") for line in lines)
        assert len(lines) <= 1
    assert refused > 5


def test_files_that_are_missing_or_open_to_everybody_are_named(tmp_path):
    key = tmp_path / "gateway.key"
    key.write_text("secret")
    key.chmod(0o644)
    (tmp_path / "piekwacht.toml").write_text(
        '[database]\ndsn = ""\n[ingest]\nkey_file = "gateway.key"\n[broker]\npassword_file = "gone"\n'
    )
    found = [str(one) for one in files.check_files(settings.read(tmp_path / "piekwacht.toml"))]
    assert found == [
        f"broker.password_file: {tmp_path}/gone is not there: put the file there, or change the setting",
        f"ingest.key_file: everybody on this machine can read {key}: chmod 0600 {key}",
    ]


class TestDatabase:
    def test_away(self):
        (one,) = faults(database.check_database("host=/nonexistent dbname=x"))
        assert "the database does not answer" in one
        assert "check [database] dsn" in one
        assert "\n" not in one

    def test_empty(self, empty_database):
        assert "the database is empty: run `piekwacht migrate`" in faults(database.check_database(empty_database))

    def test_older(self, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DELETE FROM schema_migration WHERE name = (SELECT max(name) FROM schema_migration)")
        found = faults(examine_database(database))
        assert "the database is older, it lacks 1 migrations: back up, then run `piekwacht migrate`" in found

    def test_one_version_too_new(self, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES ('9999_tomorrow.sql', 'x')")
        found = faults(examine_database(database))
        assert any("9999_tomorrow.sql, this version does not: install a newer piekwacht" in one for one in found)

    def test_one_that_forgets_what_it_confirmed(self, database):
        found = faults(examine_database(database))  # the tests' server is without fsync
        assert any("the server runs with fsync = off: set fsync = on" in one for one in found)

    def test_without_timescale_is_a_choice(self, database):
        notes = [one for one in examine_database(database) if one.check == "timescale"]
        assert [one.level for one in notes] == [FindingLevel.NOTE]


examine_database = database.check_database


class TestCertificates:
    @pytest.fixture
    def old(self, tmp_path):
        """An authority of 2016, and what it issued then."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        made = OldAuthority.create(tmp_path / "old", "old", datetime(2016, 1, 1, tzinfo=UTC))
        key = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / "old.key").write_bytes(private_pem(key))
        (tmp_path / "old.pem").write_bytes(made.issue("gateway", key.public_key(), datetime(2016, 1, 2, tzinfo=UTC)))
        return {"ca": tmp_path / "old/ca.pem", "certificate": tmp_path / "old.pem", "key": tmp_path / "old.key"}

    def examined(self, tls, now=NOW):
        return list(certificates.check_certificates(BrokerSettings(tls=TlsSettings(**tls)), now))

    def test_an_expired_authority(self, old):
        found = faults(self.examined(old))
        assert found[0].startswith("the authority's certificate expired on 2026-01-01: make a new authority")
        assert found[1].startswith("our certificate towards the broker expired on 2018-04-06: make a new one")

    def test_one_that_will_expire_is_said_in_time(self, old):
        before = datetime(2018, 3, 20, tzinfo=UTC)
        assert worst(self.examined(old, before)) is FindingLevel.WARNING
        assert worst(self.examined(old, before - timedelta(days=60))) is FindingLevel.OK

    def test_one_that_is_not_in_force_yet_points_at_the_clock(self, old):
        assert any(
            "set this machine's clock right" in one
            for one in faults(self.examined(old, datetime(2015, 1, 1, tzinfo=UTC)))
        )

    def test_a_mixture(self, authority, tmp_path, old):
        ours, other = authority.issue("a"), authority.issue("b")
        assert worst(self.examined(ours, certificates.current_time())) is FindingLevel.OK
        mixed = faults(self.examined({**ours, "key": other["key"]}, certificates.current_time()))
        assert len(mixed) == 1
        assert "is not the key of" in mixed[0]
        assert any("was not issued by" in one for one in faults(self.examined({**ours, "ca": old["ca"]})))

    def test_something_else_in_the_file(self, authority, tmp_path):
        ours = authority.issue("a")
        ours["certificate"].write_text("-----BEGIN CERTIFICATE-----\nhalf")
        (one,) = faults(self.examined(ours))
        assert "is no certificate that can be read" in one


class TestBroker:
    def examined(self, broker_settings):
        return list(certificates.check_broker(broker_settings, certificates.current_time()))

    def test_all_is_well(self, mosquitto, authority):
        found = self.examined(reaching(mosquitto, authority.issue("piekwacht.gateway")))
        assert worst(found) is FindingLevel.OK
        assert "answers, and takes our certificate" in str(found[0])
        assert "as piekwacht" not in mosquitto.log(), "no session was begun, so none was taken over"

    def test_nobody_listens(self):
        (one,) = faults(self.examined(BrokerSettings(port=find_free_port())))
        assert one.endswith("(Connection refused): start the broker, or change [broker] host and port")

    def test_a_certificate_from_elsewhere(self, mosquitto, authority, tmp_path):
        foreign = brokers.CommandLineAuthority(tmp_path, "foreign").issue("piekwacht.gateway")
        found = faults(self.examined(reaching(mosquitto, {**foreign, "ca": authority.issue("x")["ca"]})))
        assert len(found) == 1
        assert "does not take our certificate" in found[0] or "hangs up" in found[0]

    def test_a_broker_with_a_certificate_from_elsewhere(self, mosquitto, tmp_path):
        (one,) = faults(
            self.examined(reaching(mosquitto, brokers.CommandLineAuthority(tmp_path, "foreign").issue("x")))
        )
        assert "give the authority it is from in [broker.tls] ca" in one

    def test_a_name_that_the_certificate_was_not_made_for(self, mosquitto, authority):
        (one,) = faults(self.examined(reaching(mosquitto, authority.issue("x"), host="127.0.0.2")))
        assert "piekwacht ca server --host" in one or "no broker at" in one


class TestClock:
    def judged(self, **known):
        (one,) = machine.check_clock(machine.Clocks(**{"here": NOW, **known}))
        return one

    @pytest.mark.parametrize("years", [-5, -50, 80])
    def test_years_off(self, years):
        one = self.judged(here=NOW + timedelta(days=365 * years))
        assert one.level is FindingLevel.FAULT
        assert "which cannot be: set it" in str(one)

    def test_before_what_is_stored_already(self):
        assert "newest stored batch is of" in str(self.judged(newest_row=NOW + timedelta(days=900)))

    def test_before_the_authority_was_made(self):
        assert "before the certificate authority was made" in str(self.judged(authority_made=NOW + timedelta(hours=1)))

    def test_other_than_the_databases(self):
        assert str(self.judged(database=NOW - timedelta(seconds=90))) == (
            "this machine and the database differ by 90 s: synchronise both by NTP"
        )

    def test_kept_by_nobody_is_a_warning_and_kept_is_well(self):
        assert self.judged(synchronised=False).level is FindingLevel.WARNING
        assert self.judged(synchronised=True, database=NOW, newest_row=NOW).level is FindingLevel.OK

    def test_the_database_is_really_asked(self, database):
        clocks = machine.read_clocks(database, None)
        assert abs(clocks.database - clocks.here) < timedelta(seconds=5)


class TestDisk:
    @pytest.mark.parametrize(
        ("free", "level"),
        [
            (0, FindingLevel.FAULT),
            (10**8, FindingLevel.FAULT),
            (3 * 10**9, FindingLevel.WARNING),
            (5 * 10**9, FindingLevel.WARNING),
            (5 * 10**10, FindingLevel.OK),
        ],
    )
    def test_is_judged_before_it_is_full(self, free, level):
        one = machine.check_disk(machine.Disk(path=Path("/"), total=10**11, free=free))
        assert one.level is level
        assert level is FindingLevel.OK or "make room" in one.remedy

    def test_the_real_ones_are_looked_at_once_each(self):
        found = list(machine.read_disks([Path("/"), Path("/"), Path("/nonexistent")]))
        assert [disk.path for disk in found] == [Path("/")]


def test_processes_that_do_not_answer(tmp_path):
    (tmp_path / "p.toml").write_text(
        f'[database]\ndsn = ""\n[ingest]\nkey_file = "k"\n[api]\nport = {find_free_port()}\n'
        f'[telemetry]\nport = {find_free_port()}\n[alerting.heartbeat]\nurl = "http://127.0.0.1:1/"\n'
    )
    read = settings.read(tmp_path / "p.toml")
    for check in (services.check_gateway, services.check_api, services.check_alerting):
        assert any("does not answer" in one for one in faults(check(read, {})))
    assert "has not taken a heartbeat" in faults(services.check_heartbeat(read, {}, 0))[0]


class TestEvaluation:
    """What judges the detector: asked for or not, there or not, up to date or not."""

    def examined(self, tmp_path, text, now=0.0):
        (tmp_path / "p.toml").write_text(f'[database]\ndsn = ""\n{text}')
        (one,) = services.check_evaluation(settings.read(tmp_path / "p.toml"), {}, now)
        return one

    def test_not_asked_for_or_not_to_be_seen(self, tmp_path):
        assert self.examined(tmp_path, "").level is FindingLevel.NOTE
        assert "give [telemetry] evaluation_port" in str(self.examined(tmp_path, "[selftest]\n"))

    def test_not_there(self, tmp_path):
        one = self.examined(tmp_path, f"[selftest]\n[telemetry]\nevaluation_port = {find_free_port()}\n")
        assert one.level is FindingLevel.WARNING
        assert "start `piekwacht evaluate`" in one.remedy

    def test_there_and_how_far_it_has_come(self, tmp_path):
        shadow_telemetry.NEWEST.labels("calmer").set(1_000_000)
        server, _ = prometheus_client.start_http_server(port := find_free_port(), addr="127.0.0.1")
        try:
            text = f'[shadow]\nname = "calmer"\n[telemetry]\nevaluation_port = {port}\n'
            assert self.examined(tmp_path, text, 1_000_060).level is FindingLevel.OK
            late = self.examined(tmp_path, text, 1_000_000 + 7200)
        finally:
            server.shutdown()
            server.server_close()
            shadow_telemetry.NEWEST.remove("calmer")
        assert late.level is FindingLevel.WARNING
        assert "the shadow calmer has come to batches that are 2 hours old" in str(late)


@pytest.fixture
def installation(tmp_path, authority, mosquitto, open_folder):
    """All of it, as an operator would have it on one machine."""
    with Postgres(open_folder) as server:
        dsn = server.create_database("piekwacht")
        migrate(dsn)
        tls, api_tls = authority.issue("piekwacht.gateway"), authority.issue("piekwacht.api")
        assert main(["key", "gateway.test", str(tmp_path / "gateway.key")]) == 0
        path = tmp_path / "piekwacht.toml"
        path.write_text(f"""
[database]
dsn = "{dsn}"
[broker]
port = {mosquitto.port}
tls = {{ ca = "{tls["ca"]}", certificate = "{tls["certificate"]}", key = "{tls["key"]}" }}
api_tls = {{ ca = "{api_tls["ca"]}", certificate = "{api_tls["certificate"]}", key = "{api_tls["key"]}" }}
[ingest]
key_file = "gateway.key"
[api]
port = {(api := find_free_port())}
[telemetry]
port = {find_free_port()}
[[alerting.receiver]]
name = "piket"
email = [{{ to = ["piket@example.org"] }}]
[[alerting.route]]
receiver = "piket"
""")
        program = [Path(sys.executable).with_name("piekwacht"), "up", "--config", path]
        with Child("up", program, log=tmp_path / "up.log") as child:
            child.wait_until(lambda: is_port_open("127.0.0.1", api), timeout=60)
            yield path


@pytest.mark.slow
def test_a_whole_installation_is_well_until_its_broker_goes(installation, mosquitto, capsys):
    command = [Path(sys.executable).with_name("piekwacht"), "doctor", "--config", installation, "--json"]
    wait_until_connected(installation)
    done = subprocess.run(command, capture_output=True, text=True)
    findings = json.loads(done.stdout)
    assert done.returncode == 0, [one for one in findings if one["level"] == "fault"]
    assert {one["check"] for one in findings} == {*build_checks(), "schema", "timescale"}
    mosquitto.stop()
    wait_until_connected(installation, connected=False)
    assert main(["doctor", "--config", str(installation), "--quiet"]) == 1
    said = capsys.readouterr().out
    assert "the gateway runs and takes nothing in: its log says whether broker or database is away" in said
    assert "start the broker, or change [broker] host and port" in said


def wait_until_connected(path, *, connected=True):
    import time  # noqa: PLC0415

    port = settings.read(path).telemetry.port
    wanted = f"piekwacht_ingest_connected {float(connected)}"
    for _ in range(300):
        if wanted in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text:
            return
        time.sleep(0.1)
    raise AssertionError(wanted)
