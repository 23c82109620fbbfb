"""The demo's witnesses: real `piekwacht witness` processes, each with its own key and memory."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_agent.wire import Verifier
from gateway.demo.nodes import load_or_create_key
from gateway.system.child_process import Child, find_free_port, is_port_open
from gateway.transparency.cosignature import WitnessKey
from gateway.witness.settings import state_beside
from gateway.witness.state import WitnessState

_HOST = "127.0.0.1"
_NAMES = ("omgevingsdienst", "dorpsraad")


@dataclass(frozen=True, kw_only=True)
class DemoWitness:
    """One witness: its name in the policy, its folder, and where it listens."""

    name: str
    folder: Path
    key: WitnessKey
    port: int

    @property
    def policy_line(self) -> str:
        """Line of the policy, with the address."""
        return f"witness {self.name} {self.key} http://{_HOST}:{self.port}"

    def start(self) -> Child:
        """Run the witness, and wait until it listens."""
        config = self.folder / "witness.toml"
        command: list[str | Path] = [sys.executable, "-m", "gateway", "witness", "run", "--config", config]
        child = Child(f"the witness {self.name}", command, log=self.folder / "witness.log")
        return child.wait_until(lambda: is_port_open(_HOST, self.port), timeout=60)


def start_witnesses(stack: ExitStack, folder: Path, logs: Sequence[Verifier]) -> str:
    """Start the demo's two witnesses of these logs; return the policy, by which both must sign every head.

    `stack` stops them. In a folder of an earlier demo they continue with their keys and memory. Raises StartError.
    """
    witnesses = [_prepare_witness(folder / name, name, logs) for name in _NAMES]
    for witness in witnesses:
        stack.enter_context(witness.start())
    lines = [f"log {log}" for log in logs]
    lines += [witness.policy_line for witness in witnesses]
    lines += [f"group witnesses all {' '.join(_NAMES)}", "quorum witnesses", ""]
    return "\n".join(lines)


def _prepare_witness(folder: Path, name: str, logs: Sequence[Verifier]) -> DemoWitness:
    folder.mkdir(parents=True, exist_ok=True)
    key_file = folder / "witness.key"
    key = WitnessKey.of(load_or_create_key(key_file, f"{name}.example/witness"))
    if not state_beside(key_file).exists():
        WitnessState.create(state_beside(key_file), str(key))
    witness = DemoWitness(name=name, folder=folder, key=key, port=find_free_port(_HOST))
    log_keys = ", ".join(f'"{log}"' for log in logs)
    (folder / "witness.toml").write_text(
        f'# Written by `piekwacht demo`.\nkey_file = "witness.key"\nlogs = [{log_keys}]\nport = {witness.port}\n'
    )
    return witness
