"""The doctor reports each problem of an installation in one sentence, with a remedy and an exit code."""

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
    return [str(finding) for finding in findings if finding.level is FindingLevel.FAULT]


def worst(findings):
    return max((finding.level for finding in findings), key=list(FindingLevel).index)


@pytest.fixture
def authority(tmp_path):
    return brokers.CommandLineAuthority(tmp_path)


@pytest.fixture
def mosquitto(tmp_path, authority):
    broker = brokers.DeployedBroker("mosquitto", tmp_path / "broker", authority)
    yield broker
    broker.stop()


def make_broker_settings(broker, tls, host="127.0.0.1"):
    return BrokerSettings(host=host, port=broker.port, tls=TlsSettings(**tls))


def test_a_configuration_cut_off_anywhere_gives_one_sentence(tmp_path, capsys):
    text, path = EXAMPLE.read_text(), tmp_path / "piekwacht.toml"
    rejected = 0
    for length in range(0, len(text), 97):
        path.write_text(text[:length])
        rejected += main(["doctor", "--config", str(path), "--only", "disk"]) == 2
        lines = capsys.readouterr().err.splitlines()
        assert all(line.startswith(f"piekwacht: {path}: ") for line in lines)
        assert len(lines) <= 1
    assert rejected > 5


def test_missing_files_and_secrets_readable_by_all_are_named(tmp_path):
    key = tmp_path / "gateway.key"
    key.write_text("secret")
    key.chmod(0o644)
    (tmp_path / "piekwacht.toml").write_text(
        '[database]\ndsn = ""\n[ingest]\nkey_file = "gateway.key"\n[broker]\npassword_file = "gone"\n'
    )
    messages = [str(finding) for finding in files.check_files(settings.read(tmp_path / "piekwacht.toml"))]
    assert messages == [
        f"broker.password_file: {tmp_path}/gone does not exist: put the file there, or change the setting",
        f"ingest.key_file: every user of this machine can read {key}: chmod 0600 {key}",
    ]


class TestDatabase:
    def test_an_unavailable_database_is_one_line(self):
        (finding,) = faults(database.check_database("host=/nonexistent dbname=x"))
        assert "the database does not answer" in finding
        assert "check [database] dsn" in finding
        assert "\n" not in finding

    def test_an_empty_database_needs_migrate(self, empty_database):
        assert "the database is empty: run `piekwacht migrate`" in faults(database.check_database(empty_database))

    def test_an_older_schema_needs_migrate(self, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("DELETE FROM schema_migration WHERE name = (SELECT max(name) FROM schema_migration)")
        findings = faults(check_database(database))
        assert "the database is older: it lacks 1 migrations: back up, then run `piekwacht migrate`" in findings

    def test_a_schema_of_a_newer_version_needs_a_newer_program(self, database):
        with psycopg.connect(database, autocommit=True) as connection:
            connection.execute("INSERT INTO schema_migration (name, sha256) VALUES ('9999_tomorrow.sql', 'x')")
        findings = faults(check_database(database))
        assert any(
            "9999_tomorrow.sql, this version does not: install a newer piekwacht" in finding for finding in findings
        )

    def test_a_server_without_fsync_is_a_fault(self, database):
        findings = faults(check_database(database))  # the tests' server runs without fsync
        assert any("the server runs with fsync = off: set fsync = on" in finding for finding in findings)

    def test_a_server_without_timescale_is_a_note(self, database):
        notes = [finding for finding in check_database(database) if finding.check == "timescale"]
        assert [finding.level for finding in notes] == [FindingLevel.NOTE]


check_database = database.check_database


class TestCertificates:
    @pytest.fixture
    def old(self, tmp_path):
        """Create an authority of 2016 with a certificate that it issued then."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415

        old_authority = OldAuthority.create(tmp_path / "old", "old", datetime(2016, 1, 1, tzinfo=UTC))
        key = ec.generate_private_key(ec.SECP256R1())
        (tmp_path / "old.key").write_bytes(private_pem(key))
        (tmp_path / "old.pem").write_bytes(
            old_authority.issue("gateway", key.public_key(), datetime(2016, 1, 2, tzinfo=UTC))
        )
        return {"ca": tmp_path / "old/ca.pem", "certificate": tmp_path / "old.pem", "key": tmp_path / "old.key"}

    def check(self, tls, now=NOW):
        return list(certificates.check_certificates(BrokerSettings(tls=TlsSettings(**tls)), now))

    def test_an_expired_authority(self, old):
        findings = faults(self.check(old))
        assert findings[0].startswith("the authority's certificate expired on 2026-01-01: create a new authority")
        assert findings[1].startswith("our certificate for the broker expired on 2018-04-06: create a new one")

    def test_a_certificate_that_expires_soon_is_a_warning(self, old):
        before = datetime(2018, 3, 20, tzinfo=UTC)
        assert worst(self.check(old, before)) is FindingLevel.WARNING
        assert worst(self.check(old, before - timedelta(days=60))) is FindingLevel.OK

    def test_a_certificate_of_the_future_points_at_the_clock(self, old):
        assert any(
            "set this machine's clock right" in finding
            for finding in faults(self.check(old, datetime(2015, 1, 1, tzinfo=UTC)))
        )

    def test_key_and_authority_must_fit_the_certificate(self, authority, tmp_path, old):
        ours, other = authority.issue("a"), authority.issue("b")
        assert worst(self.check(ours, certificates.current_time())) is FindingLevel.OK
        mixed = faults(self.check({**ours, "key": other["key"]}, certificates.current_time()))
        assert len(mixed) == 1
        assert "is not the key of" in mixed[0]
        assert any("was not issued by" in finding for finding in faults(self.check({**ours, "ca": old["ca"]})))

    def test_an_unreadable_certificate_is_a_fault(self, authority, tmp_path):
        ours = authority.issue("a")
        ours["certificate"].write_text("-----BEGIN CERTIFICATE-----\nhalf")
        (finding,) = faults(self.check(ours))
        assert "is no readable certificate" in finding


class TestBroker:
    def check(self, broker_settings):
        return list(certificates.check_broker(broker_settings, certificates.current_time()))

    def test_a_working_broker_is_ok(self, mosquitto, authority):
        findings = self.check(make_broker_settings(mosquitto, authority.issue("piekwacht.gateway")))
        assert worst(findings) is FindingLevel.OK
        assert "answers, and accepts our certificate" in str(findings[0])
        assert "as piekwacht" not in mosquitto.log(), "no MQTT session was started, so none was replaced"

    def test_a_port_without_a_broker_is_a_fault(self):
        (finding,) = faults(self.check(BrokerSettings(port=find_free_port())))
        assert finding.endswith("(Connection refused): start the broker, or change [broker] host and port")

    def test_our_certificate_of_another_authority_is_rejected(self, mosquitto, authority, tmp_path):
        foreign = brokers.CommandLineAuthority(tmp_path, "foreign").issue("piekwacht.gateway")
        findings = faults(self.check(make_broker_settings(mosquitto, {**foreign, "ca": authority.issue("x")["ca"]})))
        assert len(findings) == 1
        assert "rejects our certificate" in findings[0] or "closes the connection" in findings[0]

    def test_a_broker_certificate_of_another_authority_is_a_fault(self, mosquitto, tmp_path):
        (finding,) = faults(
            self.check(make_broker_settings(mosquitto, brokers.CommandLineAuthority(tmp_path, "foreign").issue("x")))
        )
        assert "set [broker.tls] ca to the authority that issued it" in finding

    def test_a_host_that_is_not_in_the_certificate_is_a_fault(self, mosquitto, authority):
        (finding,) = faults(self.check(make_broker_settings(mosquitto, authority.issue("x"), host="127.0.0.2")))
        assert "piekwacht ca server --host" in finding or "no broker at" in finding


class TestClock:
    def check(self, **clocks):
        (finding,) = machine.check_clock(machine.Clocks(**{"local": NOW, **clocks}))
        return finding

    @pytest.mark.parametrize("years", [-5, -50, 80])
    def test_a_clock_years_off_is_a_fault(self, years):
        finding = self.check(local=NOW + timedelta(days=365 * years))
        assert finding.level is FindingLevel.FAULT
        assert "which is impossible: set it" in str(finding)

    def test_a_clock_before_the_newest_batch_is_a_fault(self):
        assert "newest stored batch is of" in str(self.check(newest_batch=NOW + timedelta(days=900)))

    def test_a_clock_before_the_authority_is_a_fault(self):
        assert "before the certificate authority was created" in str(
            self.check(authority_made=NOW + timedelta(hours=1))
        )

    def test_a_clock_that_differs_from_the_databases_is_a_fault(self):
        assert str(self.check(database=NOW - timedelta(seconds=90))) == (
            "this machine and the database differ by 90 s: synchronise both by NTP"
        )

    def test_an_unsynchronised_clock_is_a_warning(self):
        assert self.check(synchronised=False).level is FindingLevel.WARNING
        assert self.check(synchronised=True, database=NOW, newest_batch=NOW).level is FindingLevel.OK

    def test_the_database_clock_is_read(self, database):
        clocks = machine.read_clocks(database, None)
        assert abs(clocks.database - clocks.local) < timedelta(seconds=5)


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
    def test_a_disk_is_reported_before_it_is_full(self, free, level):
        finding = machine.check_disk(machine.Disk(path=Path("/"), total=10**11, free=free))
        assert finding.level is level
        assert level is FindingLevel.OK or "free space" in finding.remedy

    def test_each_file_system_is_read_once(self):
        disks = list(machine.read_disks([Path("/"), Path("/"), Path("/nonexistent")]))
        assert [disk.path for disk in disks] == [Path("/")]


def test_services_that_do_not_answer_are_faults(tmp_path):
    (tmp_path / "p.toml").write_text(
        f'[database]\ndsn = ""\n[ingest]\nkey_file = "k"\n[api]\nport = {find_free_port()}\n'
        f'[telemetry]\nport = {find_free_port()}\n[alerting.heartbeat]\nurl = "http://127.0.0.1:1/"\n'
    )
    read = settings.read(tmp_path / "p.toml")
    for check in (services.check_gateway, services.check_api, services.check_alerting):
        assert any("does not answer" in finding for finding in faults(check(read, {})))
    assert "has not accepted a heartbeat" in faults(services.check_heartbeat(read, {}, 0))[0]


class TestEvaluation:
    """`piekwacht evaluate`: configured or not, running or not, up to date or not."""

    def check(self, tmp_path, text, now=0.0):
        (tmp_path / "p.toml").write_text(f'[database]\ndsn = ""\n{text}')
        (finding,) = services.check_evaluation(settings.read(tmp_path / "p.toml"), {}, now)
        return finding

    def test_without_settings_or_port_it_is_a_note(self, tmp_path):
        assert self.check(tmp_path, "").level is FindingLevel.NOTE
        assert "set [telemetry] evaluation_port" in str(self.check(tmp_path, "[selftest]\n"))

    def test_a_process_that_does_not_answer_is_a_warning(self, tmp_path):
        finding = self.check(tmp_path, f"[selftest]\n[telemetry]\nevaluation_port = {find_free_port()}\n")
        assert finding.level is FindingLevel.WARNING
        assert "`piekwacht evaluate` does not answer" in str(finding)

    def test_a_shadow_far_behind_is_a_warning(self, tmp_path):
        shadow_telemetry.NEWEST.labels("calmer").set(1_000_000)
        server, _ = prometheus_client.start_http_server(port := find_free_port(), addr="127.0.0.1")
        try:
            text = f'[shadow]\nname = "calmer"\n[telemetry]\nevaluation_port = {port}\n'
            assert self.check(tmp_path, text, 1_000_060).level is FindingLevel.OK
            late = self.check(tmp_path, text, 1_000_000 + 7200)
        finally:
            server.shutdown()
            server.server_close()
            shadow_telemetry.NEWEST.remove("calmer")
        assert late.level is FindingLevel.WARNING
        assert "the newest batch of the shadow calmer is 2 hours old" in str(late)


@pytest.fixture
def installation(tmp_path, authority, mosquitto, open_folder):
    """A whole installation on one machine."""
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
def test_a_whole_installation_has_no_fault_until_its_broker_stops(installation, mosquitto, capsys):
    command = [Path(sys.executable).with_name("piekwacht"), "doctor", "--config", installation, "--json"]
    wait_until_connected(installation)
    result = subprocess.run(command, capture_output=True, text=True)
    findings = json.loads(result.stdout)
    assert result.returncode == 0, [finding for finding in findings if finding["level"] == "fault"]
    assert {finding["check"] for finding in findings} == {*build_checks(), "schema", "timescale", "nodes", "guests"}
    mosquitto.stop()
    wait_until_connected(installation, connected=False)
    assert main(["doctor", "--config", str(installation), "--quiet"]) == 1
    output = capsys.readouterr().out
    assert "the gateway runs and receives nothing: see its log: the broker or the database is unavailable" in output
    assert "start the broker, or change [broker] host and port" in output


def wait_until_connected(path, *, connected=True):
    import time  # noqa: PLC0415

    port = settings.read(path).telemetry.port
    expected = f"piekwacht_ingest_connected {float(connected)}"
    for _ in range(300):
        if expected in httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, verify=False).text:
            return
        time.sleep(0.1)
    raise AssertionError(expected)
