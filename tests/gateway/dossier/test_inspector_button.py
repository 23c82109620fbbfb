"""Inspectors get the dossier of an event of their area by a button; the audit log names it."""

import asyncio
import os
import signal
import stat
import sys
from datetime import UTC, datetime

import psycopg
import pytest

from gateway.documents import worker
from gateway.documents.errors import DocumentError
from gateway.dossier.worker import DossierWorker
from tests.gateway.api.conftest import running_api
from tests.gateway.api.inspector.conftest import keys  # noqa: F401 - a fixture
from tests.gateway.dossier.conftest import PUBLISHER, fill, unpack

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event


@pytest.fixture
def node():
    """The fixture `keys` needs a node; `peak` enrols three."""


@pytest.fixture
async def peak(database):
    return await fill(database, begin=1_500, minutes=4, after=300)


@pytest.fixture
def long_time_limits(monkeypatch):
    """A machine that runs many tests at once is slow."""
    monkeypatch.setattr(worker, "_MAKE_SECONDS", 250.0)
    monkeypatch.setattr(worker, "_WAIT_SECONDS", 250.0)


def audit_rows(dsn):
    with psycopg.connect(dsn) as connection:
        return connection.execute("SELECT who, object, outcome FROM access.audit ORDER BY id").fetchall()


@pytest.mark.slow
async def test_the_button_sends_the_dossier_and_the_audit_log_names_it(database, broker, peak, keys, long_time_limits):  # noqa: F811
    dossiers = DossierWorker(database, PUBLISHER)
    async with running_api(database, broker, dossiers=dossiers) as (api, _):
        page = await api.get(f"/nl/inspector/events/{peak}", headers=keys["anna"])
        assert f'action="/nl/inspector/events/{peak}/dossier"' in page.text
        first, second = await asyncio.gather(
            *(api.post(f"/nl/inspector/events/{peak}/dossier", headers=keys["anna"], timeout=280) for _ in range(2))
        )
        assert (first.status_code, second.status_code) == (200, 200), first.text
        assert first.content == second.content
        assert first.headers["content-type"] == "application/zip"
        assert first.headers["cache-control"] == "no-store"
        assert f'filename="piekwacht-dossier-{peak}-r' in first.headers["content-disposition"]
        files = unpack(first.content)
        assert files["data/dossier.pdf"].startswith(b"%PDF-1.7")
        assert (await api.post(f"/inspector/events/{peak}/dossier")).status_code == 401
        assert (await api.post(f"/inspector/events/{peak}/dossier", headers=keys["bob"])).status_code == 403
    account, action, outcome = audit_rows(database)[0]
    assert (account.split("/")[0], action, outcome) == ("anna", f"dossier {peak}", "allowed")


async def test_without_a_maker_there_is_no_button(database, broker, peak, keys):  # noqa: F811
    async with running_api(database, broker) as (api, _):
        page = await api.get(f"/inspector/events/{peak}", headers=keys["anna"])
        assert page.status_code == 200
        assert "/dossier" not in page.text
        answer = await api.post(f"/inspector/events/{peak}/dossier", headers=keys["anna"])
        assert answer.status_code == 404


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program instead of Python, with the output that a test states."""

    def write(script):
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))

    return write


async def test_a_child_that_fails_is_a_sentence_on_the_page(database, broker, peak, keys, program):  # noqa: F811
    program("echo 'Pango is missing: apt-get install libpango-1.0-0' >&2; exit 1")
    async with running_api(database, broker, dossiers=DossierWorker(database, PUBLISHER)) as (api, _):
        answer = await api.post(f"/nl/inspector/events/{peak}/dossier", headers=keys["anna"])
    assert answer.status_code == 503
    assert "Pango is missing: apt-get install libpango-1.0-0" in answer.text
    assert "Het dossier is niet gemaakt." in answer.text
    assert "database" not in answer.text


async def test_a_child_that_hangs_is_killed_and_the_next_dossier_is_made(program, monkeypatch):
    monkeypatch.setattr(worker, "_MAKE_SECONDS", 0.5)
    program("sleep 60")
    dossiers = DossierWorker("dbname=none", PUBLISHER)
    for _ in range(2):
        began = datetime.now(UTC)
        with pytest.raises(DocumentError, match="was not ready after"):
            await dossiers.make("x", "nl")
        assert (datetime.now(UTC) - began).total_seconds() < 10


@pytest.fixture
def answering_program(program):
    """A program that answers every job with its own process id as the reason why there is no dossier."""
    program(
        f'exec {sys.executable} -c "\n'
        "import os, sys\n"
        "while length := sys.stdin.buffer.read(8):\n"
        "    sys.stdin.buffer.read(int.from_bytes(length, 'big'))\n"
        "    text = str(os.getpid()).encode()\n"
        "    answer = b'\\x82\\xa4file\\xc0\\xa5error' + bytes([0xa0 + len(text)]) + text\n"
        "    sys.stdout.buffer.write(len(answer).to_bytes(8, 'big') + answer)\n"
        '    sys.stdout.buffer.flush()"'
    )


async def ask_for_pid(dossiers):
    with pytest.raises(DocumentError) as error:
        await dossiers.make("x", "nl")
    return int(str(error.value))


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def wait_for(condition):
    """Wait at most ten seconds."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_child_stays_for_the_next_job_and_ends_with_its_maker(answering_program):
    dossiers = DossierWorker("dbname=none", PUBLISHER)
    pids = {await ask_for_pid(dossiers) for _ in range(3)}
    assert len(pids) == 1
    await dossiers.aclose()
    assert not any(map(is_running, pids))


async def test_a_child_ends_when_no_job_comes(answering_program, monkeypatch):
    monkeypatch.setattr(worker, "_IDLE_SECONDS", 0.1)
    dossiers = DossierWorker("dbname=none", PUBLISHER)
    pid = await ask_for_pid(dossiers)
    await wait_for(lambda: not is_running(pid))
    assert await ask_for_pid(dossiers) != pid
    await dossiers.aclose()


async def test_a_child_makes_a_bounded_number_of_dossiers(answering_program, monkeypatch):
    monkeypatch.setattr(worker, "_MAX_JOBS", 2)
    dossiers = DossierWorker("dbname=none", PUBLISHER)
    pids = [await ask_for_pid(dossiers) for _ in range(4)]
    assert pids[0] == pids[1] != pids[2] == pids[3]
    assert not is_running(pids[0])
    await dossiers.aclose()


async def test_a_child_that_died_between_two_jobs_is_replaced(answering_program):
    dossiers = DossierWorker("dbname=none", PUBLISHER)
    pid = await ask_for_pid(dossiers)
    os.kill(pid, signal.SIGKILL)
    await wait_for(lambda: dossiers._worker._child is None or not dossiers._worker._child.is_usable)
    assert await ask_for_pid(dossiers) != pid
    await dossiers.aclose()
