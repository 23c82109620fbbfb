"""`piekwacht verify` and `verify.py` as commands: exit codes, languages, dossiers, addresses."""

import hashlib
import json
import subprocess
import sys
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gateway.__main__ import main
from gateway.verification.standalone import verify
from tests.gateway.verification.world import FIRST_NUMBER, INCARNATION, NODE, replace

STANDALONE = Path(verify.__file__)


@pytest.fixture
def evidence_path(world, tmp_path):
    path = tmp_path / "value.piekwacht.json"
    path.write_bytes(world.evidence().encode())
    return path


@pytest.fixture
def policy_path(world, tmp_path):
    path = tmp_path / "policy"
    path.write_text(world.policy())
    return path


@pytest.fixture
def dossier(world, tmp_path):
    """An unpacked dossier of three batches, with its manifest."""
    folder = tmp_path / "dossier"
    evidence = folder / "data" / "evidence"
    evidence.mkdir(parents=True)
    for number in range(FIRST_NUMBER + 1, FIRST_NUMBER + 4):
        (evidence / f"{number}.piekwacht.json").write_bytes(world.evidence(number=number, rules=False).encode())
    (folder / "data" / "readings.csv").write_text("time,value\n")
    write_manifest(folder)
    return folder


def write_manifest(folder):
    lines = [
        f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.relative_to(folder).as_posix()}\n"
        for path in sorted((folder / "data").rglob("*"))
        if path.is_file()
    ]
    (folder / "manifest-sha256.txt").write_text("".join(lines))


def pack(folder, path, prefix=""):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            if file.is_file():
                archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


def run_both(capsys, *arguments):
    """(exit code, output) of the package, after the stand-alone file gave the same exit code."""
    code = main(["verify", *map(str, arguments)])
    output = capsys.readouterr().out
    assert verify.main(list(map(str, arguments))) == code, capsys.readouterr().out
    capsys.readouterr()
    return code, output


def test_a_true_file_ends_with_0_and_one_sentence(capsys, evidence_path, policy_path):
    code, output = run_both(capsys, evidence_path, "--policy", policy_path)
    assert code == 0
    assert output.splitlines()[-1] == "True: all 14 steps were checked and none is false."


def test_without_a_policy_of_the_reader_nothing_is_called_true(capsys, evidence_path):
    code, output = run_both(capsys, evidence_path)
    assert code == 3
    assert output.count("By the policy in the file itself") == 4, "policy, checkpoint, witnesses, verdict"
    assert output.splitlines()[-1].startswith("Nothing is false, but 1 of 14 steps could not be checked.")


def test_a_false_file_ends_with_1_in_the_language_of_the_reader(capsys, world, evidence_path, policy_path):
    evidence_path.write_bytes(replace(world.evidence(), "claim.value", 3.25))
    code, output = run_both(capsys, evidence_path, "--policy", policy_path, "--language", "nl")
    assert code == 1
    assert output.splitlines()[-1].startswith("Niet waar: De batch heeft niet pm2_5 3.25")


def test_the_language_is_that_of_the_environment(capsys, monkeypatch, evidence_path):
    monkeypatch.setenv("LC_ALL", "nl_NL.UTF-8")
    main(["verify", str(evidence_path)])
    assert "Niets is onwaar" in capsys.readouterr().out


def test_json_has_the_verdict_and_every_step(capsys, evidence_path, policy_path):
    _, output = run_both(capsys, evidence_path, "--policy", policy_path, "--json")
    document = json.loads(output)
    assert document["verdict"]["state"] == "ok"
    assert len(document["steps"]) == 14
    assert document["steps"][3]["compared"]["index"] == "5"


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04", b"\x00" * 100])
def test_a_file_without_evidence_ends_with_1_and_a_sentence(capsys, tmp_path, content):
    path = tmp_path / "x.piekwacht.json"
    path.write_bytes(content)
    code, output = run_both(capsys, path)
    assert code == 1
    assert output.splitlines()[-1].startswith("Not true: The file cannot be read.")


def test_a_missing_file_ends_with_1_and_a_sentence(capsys, tmp_path):
    code, output = run_both(capsys, tmp_path / "nothing")
    assert code == 1
    assert "cannot be read" in output


def test_a_policy_that_cannot_be_read_is_a_wrong_command_line(capsys, evidence_path, tmp_path):
    (tmp_path / "bad").write_text("nonsense\n")
    assert main(["verify", str(evidence_path), "--policy", str(tmp_path / "bad")]) == 2
    assert "bad" in capsys.readouterr().err
    with pytest.raises(SystemExit) as exit_:
        verify.main([str(evidence_path), "--policy", str(tmp_path / "bad")])
    assert exit_.value.code == 2


def test_a_dossier_is_checked_as_a_folder_and_as_a_zip(capsys, dossier, policy_path, tmp_path):
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert code == 0
    assert "The numbers of the batches of ijm-001 have no gap: 18 to 20." in output
    for prefix in ("", "dossier-1/"):
        path = pack(dossier, tmp_path / "dossier.zip", prefix)
        assert main(["verify", str(path), "--policy", str(policy_path)]) == 0
        assert capsys.readouterr().out == output


def test_a_batch_removed_from_a_dossier_is_named(capsys, dossier, policy_path):
    (dossier / "data" / "evidence" / f"{FIRST_NUMBER + 2}.piekwacht.json").unlink()
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert code == 1
    assert "missing: data/evidence/19.piekwacht.json" in output
    write_manifest(dossier)
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert code == 3
    assert output.splitlines()[-1].endswith("Batches of ijm-001 are missing here between 18 and 20: 19.")


def test_a_changed_or_added_file_of_a_dossier_is_named(capsys, dossier, policy_path):
    (dossier / "data" / "readings.csv").write_text("time,other\n")
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert (code, "changed: data/readings.csv" in output) == (1, True)
    write_manifest(dossier)
    (dossier / "data" / "more.csv").write_text("time,other\n")
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert (code, "not in the manifest: data/more.csv" in output) == (1, True)


def test_a_dossier_without_evidence_or_manifest_is_never_true(capsys, tmp_path):
    (tmp_path / "empty").mkdir()
    code, output = run_both(capsys, tmp_path / "empty")
    assert code == 3
    assert "The dossier has no evidence file." in output


def test_one_false_file_makes_the_dossier_false(capsys, world, dossier, policy_path):
    path = dossier / "data" / "evidence" / f"{FIRST_NUMBER + 2}.piekwacht.json"
    path.write_bytes(replace(world.evidence(number=FIRST_NUMBER + 2, rules=False), "claim.value", 1.0))
    write_manifest(dossier)
    code, output = run_both(capsys, dossier, "--policy", policy_path)
    assert code == 1
    assert output.splitlines()[-1].startswith("Not true: The batch does not have pm2_5 1.0")


def test_a_proof_is_checked_with_its_batch(capsys, world, policy_path, tmp_path):
    evidence = world.evidence()
    (tmp_path / "x.tlog-proof").write_text(evidence.batch.proof)
    (tmp_path / "batch").write_bytes(world.batches[FIRST_NUMBER + 1])
    arguments = ["verify", str(tmp_path / "x.tlog-proof"), "--batch", str(tmp_path / "batch")]
    assert main(arguments) == 2
    arguments += ["--policy", str(policy_path)]
    assert main(arguments) == 3
    assert main([*arguments, "--node-key", str(world.node.verifier)]) == 0
    assert f"batch {FIRST_NUMBER + 1} of {NODE}" in capsys.readouterr().out
    (tmp_path / "batch").write_bytes(world.batches[FIRST_NUMBER])
    assert main([*arguments, "--node-key", str(world.node.verifier)]) == 1
    assert INCARNATION in world.batches[FIRST_NUMBER].decode()


@pytest.fixture
def address(tmp_path):
    """Address of a web server that serves the temporary folder."""
    handler = partial(SimpleHTTPRequestHandler, directory=tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_evidence_is_fetched_from_an_address(capsys, address, evidence_path, policy_path):
    assert main(["verify", f"{address}/{evidence_path.name}", "--policy", str(policy_path)]) == 0
    assert main(["verify", f"{address}/nothing", "--policy", str(policy_path)]) == 1
    assert "gives no answer: HTTP Error 404" in capsys.readouterr().out


def test_evidence_is_read_from_standard_input(world, policy_path):
    result = subprocess.run(
        [sys.executable, "-m", "gateway", "verify", "-", "--policy", policy_path],
        input=world.evidence().encode(),
        capture_output=True,
    )
    assert result.returncode == 0, result.stderr


def test_the_standalone_file_runs_alone_without_any_library(evidence_path, policy_path, tmp_path):
    """In an isolated interpreter without site-packages: `-I -S`, so that `cryptography` cannot be imported."""
    copy = tmp_path / "verify.py"
    copy.write_bytes(STANDALONE.read_bytes())
    command = [sys.executable, "-I", "-S", copy, evidence_path, "--policy", policy_path]
    result = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == "True: all 14 steps were checked and none is false."


def test_the_verifier_runs_without_the_libraries_of_the_gateway(evidence_path, policy_path):
    """With numpy and psycopg blocked it names the unchecked steps, and its verdict is not true."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'numba', 'psycopg', 'fastapi', 'structlog', 'httpx'):\n"
        "    sys.modules[name] = None\n"
        "from gateway.__main__ import main\n"
        f"sys.exit(main(['verify', {str(evidence_path)!r}, '--policy', {str(policy_path)!r}]))\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 3, result.stderr
    assert "was not computed again: this needs piekwacht[gateway]" in result.stdout.splitlines()[-1]
