"""The archive for a node's SD card: all files that it needs, to be unpacked onto the boot partition."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

_BOOT_FILES = ("user-data", "network-config")  # cloud-init reads these at the top of the boot partition
_FOLDER = "piekwacht"
_ENTRY_TIME = (1980, 1, 1, 0, 0, 0)  # the first that the format has
_UNIX = 3  # the host system of an entry whose attributes are a mode
_READ_ME_TEMPLATE = """\
Node {node}: unpack this archive onto the boot partition of a fresh Raspberry Pi OS card, put the card
into the Pi and switch it on. It sets itself up, wipes the keys from the boot partition and restarts once.

Windows: open {node}.zip and copy everything in it to the drive "bootfs". Linux and macOS:

    unzip {node}.zip -d /path/to/bootfs

Add the Wi-Fi or mobile network to network-config first if there is no cable. {package}
Then: `piekwacht-agent check --config /etc/piekwacht/agent.toml` on the node prints what is wrong.
This archive has the node's private keys: do not mail it, and delete it when the card is written.
"""
_PACKAGE_INCLUDED = "The agent's package is included."
_PACKAGE_MISSING = "Copy the agent's package (piekwacht-agent_*.deb) into piekwacht/ as well."


def collect_files(
    node: str, rendered: Mapping[str, str], secrets: Mapping[str, bytes], package: Path | None
) -> dict[str, bytes]:
    """Return path in the archive -> bytes. `rendered` is the result of `edge_agent.provisioning.render_node`."""
    files = {name: rendered[name].encode() for name in _BOOT_FILES}
    other_files = {name: text.encode() for name, text in rendered.items() if name not in _BOOT_FILES}
    files |= {f"{_FOLDER}/{name}": text for name, text in {**other_files, **secrets}.items()}
    if package is not None:
        files[f"{_FOLDER}/{package.name}"] = package.read_bytes()
    read_me = _READ_ME_TEMPLATE.format(node=node, package=_PACKAGE_INCLUDED if package else _PACKAGE_MISSING)
    return {f"{_FOLDER}/READ-ME.txt": read_me.encode(), **files}


def pack_archive(files: Mapping[str, bytes]) -> bytes:
    """Pack a ZIP archive, which Windows opens too, with mode 0600; its bytes depend only on the files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, body in files.items():
            entry = zipfile.ZipInfo(name, _ENTRY_TIME)
            entry.external_attr = 0o100600 << 16
            entry.create_system = _UNIX
            archive.writestr(entry, body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()
