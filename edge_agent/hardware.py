"""Which hardware a node runs on. The agent asks at its start whether the spool was made on this hardware.

A copied card carries its files along, /etc/machine-id too, so the identity needs something that a copy leaves
behind: the serial number of the SoC and the number of the card. Computers without a serial number use the machine
id together with the first permanent MAC address and the number of the disk.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path

_SERIAL_FILE = "proc/device-tree/serial-number"
_CARD_FILES = ("sys/block/mmcblk0/device/cid", "sys/block/sda/device/wwid", "sys/block/nvme0n1/wwid")
_PERMANENT_ADDRESS = "0"  # of addr_assign_type; other values are random or were set by a program


def read_hardware_id(root: Path = Path("/")) -> str | None:
    """Return a hash that is the same after every boot of this hardware; None if nothing identifies it."""
    serial, card = _read_serial(root), _read_first(root, *_CARD_FILES)
    if serial is not None:
        parts = ["serial", serial, card]
    else:
        parts = ["machine", _read_first(root, "etc/machine-id"), _read_mac_address(root), card]
    if not any(parts[1:]):
        return None
    return hashlib.sha256("\n".join(part or "" for part in parts).encode()).hexdigest()[:32]


def _read_serial(root: Path) -> str | None:
    serial = _read_first(root, _SERIAL_FILE)
    if serial is None:
        lines = (_read_first(root, "proc/cpuinfo") or "").splitlines()
        serial = next((line.partition(":")[2].strip() for line in lines if line.startswith("Serial")), None)
    return serial if serial and serial.strip("0") else None


def _read_mac_address(root: Path) -> str | None:
    """Return the address of the first interface with hardware behind it, by name."""
    return next(_read_permanent_addresses(root / "sys/class/net"), None)


def _read_permanent_addresses(folder: Path) -> Iterator[str]:
    for interface in sorted(folder.glob("*")):
        is_permanent = _read_first(interface, "addr_assign_type") == _PERMANENT_ADDRESS
        address = _read_first(interface, "address")
        if address and is_permanent and (interface / "device").exists():
            yield address


def _read_first(root: Path, *names: str) -> str | None:
    """Return the text of the first of these files that has any."""
    for name in names:
        try:
            text = (root / name).read_text(errors="replace").strip("\0 \n\t")
        except OSError:
            continue
        if text:
            return text
    return None
