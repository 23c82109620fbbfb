"""The demo's public log: its key, its two witnesses and their policy."""

from contextlib import ExitStack
from pathlib import Path

from gateway.demo.nodes import load_or_create_key
from gateway.demo.witnesses import start_witnesses
from gateway.transparency.settings import PublicLogSettings

_AREA = "ijmond"
_INTERVAL = 5.0  # s


def start_public_log(stack: ExitStack, folder: Path, address: str) -> PublicLogSettings:
    """Make the key and start the witnesses; return the settings. `address`: host and port of the site.

    In a folder of an earlier demo the log keeps its name, also if the port has changed. Raises StartError.
    """
    key_file = folder / "keys" / f"{_AREA}.key"
    key_file.parent.mkdir(parents=True, exist_ok=True)
    signer = load_or_create_key(key_file, f"{address}/log/{_AREA}")
    policy = folder / "policy"
    policy.write_text(start_witnesses(stack, folder / "witnesses", [signer.verifier]))
    return PublicLogSettings(
        folder=folder,
        host=signer.name.partition("/")[0],
        key_folder=key_file.parent,
        policy=policy,
        interval_seconds=_INTERVAL,
    )
