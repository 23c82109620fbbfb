"""The hardware identity is constant on a machine, and a copied card does not copy it."""

from pathlib import Path

import pytest

from edge_agent.hardware import read_hardware_id


def write(root: Path, name: str, content: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(content)


def raspberry(root: Path, *, serial="10000000abcd1234\0", card="03534453\n", machine_id="m1\n") -> str | None:
    write(root, "proc/device-tree/serial-number", serial)
    write(root, "sys/block/mmcblk0/device/cid", card)
    write(root, "etc/machine-id", machine_id)
    return read_hardware_id(root)


def computer(root: Path, *, mac="aa:bb:cc:00:00:01\n", machine_id="m1\n", assigned="0\n") -> str | None:
    write(root, "etc/machine-id", machine_id)
    write(root, "sys/class/net/eth0/device/vendor", "x")
    write(root, "sys/class/net/eth0/address", mac)
    write(root, "sys/class/net/eth0/addr_assign_type", assigned)
    return read_hardware_id(root)


def test_the_hardware_identity_is_the_same_after_every_boot(tmp_path):
    assert raspberry(tmp_path / "a") == raspberry(tmp_path / "a") == raspberry(tmp_path / "b") is not None


@pytest.mark.parametrize("change", [{"serial": "10000000ffff0000\0"}, {"card": "1b534d45\n"}])
def test_another_board_and_another_card_have_another_identity(tmp_path, change):
    assert raspberry(tmp_path / "a") != raspberry(tmp_path / "b", **change)


def test_the_serial_number_of_cpuinfo_serves_too_and_zeros_are_none(tmp_path):
    write(tmp_path / "a", "proc/cpuinfo", "processor\t: 0\nSerial\t\t: 10000000abcd1234\n")
    write(tmp_path / "b", "proc/cpuinfo", "processor\t: 0\nSerial\t\t: 0000000000000000\n")
    assert read_hardware_id(tmp_path / "a") is not None
    assert read_hardware_id(tmp_path / "b") is None


def test_copies_of_one_machine_id_are_distinguished_by_their_addresses(tmp_path):
    assert computer(tmp_path / "a") != computer(tmp_path / "b", mac="aa:bb:cc:00:00:02\n")


def test_a_random_address_is_no_identity(tmp_path):
    addresses = [computer(tmp_path / str(i), mac=f"aa:bb:cc:00:00:0{i}\n", assigned="1\n") for i in range(2)]
    assert addresses[0] == addresses[1] is not None


def test_a_machine_without_any_mark_has_no_identity(tmp_path):
    assert read_hardware_id(tmp_path) is None
