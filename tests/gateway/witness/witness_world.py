"""A log in memory and a witness of it, for tests."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import httpx

from edge_agent.signing import Signer
from gateway.transparency.add_checkpoint import CheckpointRequest
from gateway.transparency.cosignature import WitnessKey
from gateway.transparency.merkle import prove_consistency
from gateway.witness.http_server import HttpRequest
from gateway.witness.service import WitnessService
from gateway.witness.state import WitnessState
from tests.gateway.transparency.leaf_log import LeafLog

NOW = 1_800_000_000


class MemoryLog(LeafLog):
    """A log that only grows, so its hashes are remembered. `fork`: the same key with other leaves from an index on."""

    def __init__(self, origin="piekwacht.example/log/ijmond", signer=None, leaves=()):
        super().__init__(signer or Signer.generate(origin), leaves)
        self._hashes = {}

    def grow(self, count, text="leaf"):
        self.leaves += [f"{text} {len(self.leaves) + i}".encode() for i in range(count)]
        return self

    def fork(self, size, count=0, text="other"):
        return MemoryLog(signer=self.signer, leaves=self.leaves[:size]).grow(count, text)

    def read_hash(self, level, index):
        if (level, index) not in self._hashes:
            self._hashes[level, index] = super().read_hash(level, index)
        return self._hashes[level, index]

    def note(self, size=None):
        return self.checkpoint(size).sign(self.signer)

    def request(self, old_size, size=None):
        size = len(self.leaves) if size is None else size
        proof = tuple(prove_consistency(old_size, size, self.read_hash)) if old_size <= size else ()
        checkpoint = self.checkpoint(size)
        return CheckpointRequest(old_size=old_size, proof=proof, note=self.note(size), checkpoint=checkpoint)


class LocalWitness:
    """The service of a witness without HTTP."""

    def __init__(self, folder: Path, *logs: MemoryLog, name="dorpsraad.example/w"):
        self.signer = Signer.generate(name)
        self.key = WitnessKey.of(self.signer)
        self.path = folder / "witness.sqlite"
        WitnessState.create(self.path, str(self.key))
        self.logs = {log.origin: log.signer.verifier for log in logs}
        self.now = NOW
        self.open()

    def open(self):
        self.state = WitnessState(self.path, str(self.key))
        self.service = WitnessService(self.signer, self.logs, self.state, now=lambda: self.now)

    def close(self):
        self.state.close()

    def post(self, body: bytes):
        return self.request("POST", "/add-checkpoint", body)

    def request(self, method, path, body=b"", language=""):
        return self.service.respond(HttpRequest(method=method, path=path, language=language, body=body))

    def get(self, path, language=""):
        return self.request("GET", path, language=language)


class WitnessProcess:
    """`piekwacht witness run` in a process."""

    def __init__(self, folder: Path, *logs: MemoryLog, name="dorpsraad.example/w", requests_per_minute=100_000):
        folder.mkdir(exist_ok=True)
        self.folder = folder
        signer = Signer.generate(name)
        (folder / "witness.key").write_text(signer.export())
        self.key = WitnessKey.of(signer)
        WitnessState.create(folder / "witness.sqlite", str(self.key))
        keys = ", ".join(f'"{log.signer.verifier}"' for log in logs)
        self.config = folder / "witness.toml"
        self.config.write_text(
            f'key_file = "witness.key"\nlogs = [{keys}]\nport = 0\nrequests_per_minute = {requests_per_minute}\n'
        )

    @contextmanager
    def run(self):
        command = [sys.executable, "-m", "gateway", "witness", "run", "--config", self.config]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                line = process.stderr.readline()
                assert "witness listens" in line, line + process.stderr.read()
                self.url = f"http://127.0.0.1:{line.rsplit('port=', 1)[1].strip()}"
                self.process = process
                yield self
            finally:
                process.kill()

    def post(self, body):
        return httpx.post(f"{self.url}/add-checkpoint", content=body, timeout=20, verify=False)


def run_command(*arguments):
    command = [sys.executable, "-m", "gateway", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)
