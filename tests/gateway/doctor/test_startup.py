"""What the doctor says of a sick installation stands in the service's own log, in the same words."""

import logging
import os
import subprocess
import sys
from datetime import UTC, datetime

import psycopg
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from gateway import settings
from gateway.doctor import checks, startup
from gateway.enrolment.authority import CertificateAuthority, private_pem
from gateway.system.child_process import find_free_port
from tests.gateway.doctor.test_doctor import EXAMPLE


def says(tmp_path, *words):
    command = [sys.executable, "-m", "gateway", *words, "--config", str(tmp_path / "piekwacht.toml")]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


def of_year(year, folder):
    """[broker.tls] with an authority of that year, and what it issued."""
    made = CertificateAuthority.create(folder / "ca", "one", datetime(year, 1, 1, tzinfo=UTC))
    key = ec.generate_private_key(ec.SECP256R1())
    (folder / "key.pem").write_bytes(private_pem(key))
    (folder / "ours.pem").write_bytes(made.issue("gateway", key.public_key(), datetime(year, 1, 2, tzinfo=UTC)))
    return '[broker.tls]\nca = "ca/ca.pem"\ncertificate = "ours.pem"\nkey = "key.pem"\n'


def write(tmp_path, dsn, more=""):
    (tmp_path / "piekwacht.toml").write_text(f'[database]\ndsn = "{dsn}"\n[broker]\nport = {find_free_port()}\n{more}')


def logged(tmp_path, caplog):
    with caplog.at_level(logging.ERROR, "gateway.doctor.startup"):
        startup.log_faults(settings.read(tmp_path / "piekwacht.toml"), ["gateway", "api"])
    return [record.getMessage() for record in caplog.records]


def test_half_a_configuration(tmp_path):
    text = EXAMPLE.read_text()
    (tmp_path / "piekwacht.toml").write_text(text[: text.index("[alerting.smtp]") + 9])
    told = says(tmp_path, "doctor")
    assert told.returncode == 2
    for part in ("gateway", "alerting"):
        assert says(tmp_path, part).stderr == told.stderr


def test_a_database_one_version_too_new(tmp_path, database):
    write(tmp_path, database)
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("INSERT INTO schema_migration (name, sha256) VALUES ('9999_tomorrow.sql', 'x')")
    sentence = "9999_tomorrow.sql, this version does not: install a newer piekwacht"
    assert sentence in says(tmp_path, "doctor", "--only", "database").stdout
    told = says(tmp_path, "api")
    assert told.returncode == 1
    assert sentence in told.stderr
    assert told.stderr.count("\n") == 1


def test_an_expired_authority(tmp_path, database):
    key = tmp_path / "gateway.key"
    write(tmp_path, database, f'{of_year(2016, tmp_path)}[ingest]\nkey_file = "{key}"\n')
    subprocess.run([sys.executable, "-m", "gateway", "key", "gateway.x", key], check=True, capture_output=True)
    sentence = "the authority's certificate expired on 2026-01-01: make a new authority and enrol every node again"
    assert sentence in says(tmp_path, "doctor", "--only", "certificates").stdout
    assert sentence in says(tmp_path, "gateway").stderr


def test_a_clock_years_off(tmp_path, database, caplog):
    """An authority of 2040 is to this clock what one of today is to a clock of 2012."""
    write(tmp_path, database, of_year(2040, tmp_path))
    said = logged(tmp_path, caplog)
    assert any("before the certificate authority was made: set it" in one for one in said)


@pytest.mark.skipif(os.geteuid() != 0, reason="a disk that is full needs the right to mount one")
def test_a_full_disk(tmp_path, database, caplog, monkeypatch):
    write(tmp_path, database)
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        monkeypatch.setattr(checks, "_DISKS", (str(disk),))
        said = logged(tmp_path, caplog)
    finally:
        subprocess.run(["umount", disk], check=True)
    assert any(f"are free at {disk}: make room or grow the disk, before the database stops" in one for one in said)


def test_where_all_is_well_nothing_is_said(tmp_path, database, caplog):
    write(tmp_path, database)
    assert [one for one in logged(tmp_path, caplog) if "are free at" not in one] == []
