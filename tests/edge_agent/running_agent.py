"""A fake gateway on a real broker, a node's folder, and the agent as a real process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from edge_agent.wire import ReadingBatch, Signer, StoredRanges, Topic, TopicKind, Verifier, digest_payload

Key = tuple[str, int]


class FakeGateway:
    """Receives as a gateway does: verifies and stores batches, and confirms them unless `is_silent`."""

    def __init__(self, port: int, node: Verifier, key: Signer, *, area: str = "ijmond") -> None:
        self.node, self.key, self.area = node, key, area
        self.is_silent, self.pause, self._confirmed_at = False, 0.0, 0.0
        self.ages: list[float] = []  # seconds from the last reading of a live batch to its arrival
        self.payloads: list[bytes] = []
        self.batches: dict[Key, ReadingBatch] = {}
        self.hashes: dict[Key, str] = {}
        self._unanswered: set[Key] = set()
        self.status_messages: list[dict] = []
        self._lock = threading.Lock()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, "fake-gateway", clean_session=True)
        self._client.on_message = self._on_message
        self._client.on_connect = self._on_connect
        self._subscribed = threading.Event()
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert self._subscribed.wait(10)

    def _on_connect(self, *_) -> None:
        self._client.subscribe([(f"pw/v1/{self.area}/+/{kind}", 1) for kind in ("readings", "status", "health")])

    def _on_message(self, _client, _data, message) -> None:
        topic = Topic.parse(message.topic)
        if topic.kind is not TopicKind.READINGS:
            self.status_messages.append({"kind": topic.kind, "retained": message.retain, **json.loads(message.payload)})
            return
        batch = ReadingBatch.decode(self.node.open(message.payload))
        with self._lock:
            self.payloads.append(message.payload)
            self.batches.setdefault((batch.inc, batch.seq), batch)
            self.hashes.setdefault((batch.inc, batch.seq), digest_payload(message.payload))
            self._unanswered.add((batch.inc, batch.seq))
        if not batch.hist:
            self.ages.append(time.time() - (batch.t0 + max(batch.dt)) / 1000)
        if not self.is_silent and time.monotonic() - self._confirmed_at >= self.pause:
            self._confirmed_at = time.monotonic()
            self.confirm(batch.inc)

    def confirm(self, inc: str, *, key: Signer | None = None, node: str | None = None) -> None:
        """Confirm the stored numbers of this incarnation."""
        with self._lock:
            stored_seqs = sorted(seq for i, seq in self.batches if i == inc)
            answered = [(i, seq) for i, seq in self._unanswered if i == inc]
            self._unanswered.difference_update(answered)
            hashes = [(seq, self.hashes[i, seq]) for i, seq in sorted(answered)]
        self.publish_stored_ranges(
            StoredRanges(v=1, node=node or self.node.name, inc=inc, ranges=ranges_of(stored_seqs), hashes=hashes),
            key or self.key,
        )

    def publish_stored_ranges(self, stored: StoredRanges, key: Signer) -> None:
        topic = Topic(area=self.area, node=self.node.name, kind=TopicKind.STORED)
        self._client.publish(str(topic), key.sign(stored.encode()), qos=1, retain=True)

    def publish_desired_config(self, desired_config, key: Signer) -> None:
        """Publish a configuration, as a gateway does."""
        topic = Topic(area=self.area, node=self.node.name, kind=TopicKind.CONFIG)
        self._client.publish(str(topic), key.sign(desired_config.encode()), qos=1, retain=True)

    def find_remote_state(self) -> dict:
        """Return the newest status of remote configurations."""
        return next(
            (m.get("remote", {}) for m in reversed(self.status_messages) if m["kind"] == "status" and m["online"]), {}
        )

    def values(self) -> list[tuple[str, int, float]]:
        """Return every received value, once per batch: (property, ms, value)."""
        with self._lock:
            batches = list(self.batches.values())
        return [
            (name, batch.t0 + dt, value)
            for batch in batches
            for name, column in batch.values.items()
            for dt, value in zip(batch.dt, column, strict=True)
            if value is not None
        ]

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def ranges_of(numbers: list[int]) -> list[tuple[int, int]]:
    ranges: list[tuple[int, int]] = []
    for number in numbers:
        if ranges and ranges[-1][1] == number - 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


class NodeProcess:
    """A node's folder with its keys, and the agent in it as a process."""

    def __init__(self, folder: Path, *, node: str = "ijm-001", area: str = "ijmond") -> None:
        self.folder, self.id, self.area = folder, node, area
        folder.mkdir(parents=True, exist_ok=True)
        self.key = Signer.generate(node)
        self.gateway = Signer.generate("gateway.ijmond")
        (folder / "node.key").write_text(self.key.export())
        self.config = folder / "agent.toml"
        self.generated = folder / "generated.jsonl"
        self.spool = folder / "spool.sqlite"
        self.processes: list[subprocess.Popen[str]] = []

    def write_config(self, port: int, sensor: str, *, batch: str = "", broker: str = "", spool: str = "") -> Path:
        self.config.write_text(f"""
[node]
id = "{self.id}"
area = "{self.area}"
key_file = "node.key"
[gateway]
keys = ["{self.gateway.verifier}"]
[broker]
port = {port}
{broker}
[spool]
path = "{self.spool.name}"
{spool}
[batch]
interval_seconds = 0.2
forget_seconds = 0
{batch}
[log]
generated = "generated.jsonl"
[[sensor]]
{sensor}
""")
        return self.config

    def start(self, *arguments: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the agent; `environment` is added to that of the test."""
        process = subprocess.Popen(
            [sys.executable, "-m", "edge_agent", "run", "--config", str(self.config), *arguments],
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
            env={**os.environ, **(environment or {})},
        )
        self.processes.append(process)
        return process

    def read_generated_values(self) -> list[tuple[str, int, float]]:
        """Return every generated value from the log outside the spool."""
        lines = [json.loads(line) for line in self.generated.read_text().splitlines() if line.endswith("}")]
        return [(n, e["observed_at"], v) for e in lines for n, v in e["values"].items() if v is not None]

    def close(self) -> None:
        for process in self.processes:
            if process.stderr is not None and not process.stderr.closed:
                process.kill()
                process.communicate()


def stop(process: subprocess.Popen[str], timeout: float = 60.0) -> str:
    """Send SIGTERM, expect exit code 0, return stderr."""
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=timeout)
    assert process.returncode == 0, errors
    return errors


def kill(process: subprocess.Popen[str]) -> None:
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
