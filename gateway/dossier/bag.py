"""A dossier as one ZIP file: a bag (BagIt, RFC 8493). The same files give the same bytes."""

import shutil
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import BinaryIO

from gateway.dossier.errors import DossierError
from gateway.dossier.exhibits import format_manifest
from gateway.dossier.stored_file import Files, measure_size
from gateway.verification.dossier_files import MAX_ZIP_BYTES

_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_ENTRY_BYTES = 1_000  # of an entry beside its content: name, header and the lines of manifest and description
_PART_BYTES = 1_048_576
_MODE = 0o100644 << 16  # a plain file that its owner may write


def write_bag(output: BinaryIO, name: str, files: Files, facts: Mapping[str, str], at: datetime) -> None:
    """Write the ZIP file. `name`: its folder; `facts`: lines of bag-info.txt; `at`: date of every file in it.

    Raises DossierError if it would be longer than verifiers read.
    """
    payload = {f"data/{path}": files[path] for path in sorted(files)}
    size = sum(map(measure_size, payload.values()))
    if size + len(payload) * _ENTRY_BYTES > MAX_ZIP_BYTES:
        raise DossierError(
            f"the dossier would have more than {MAX_ZIP_BYTES} bytes, which no verifier reads: "
            "make a dossier of a shorter period"
        )
    all_facts = {**facts, "Payload-Oxum": f"{size}.{len(payload)}", "Bagging-Date": f"{at.astimezone(UTC):%Y-%m-%d}"}
    tags = {
        "bag-info.txt": "".join(f"{label}: {text}\n" for label, text in all_facts.items()).encode(),
        "bagit.txt": _DECLARATION,
        "manifest-sha256.txt": format_manifest(payload.items()),
    }
    tags["tagmanifest-sha256.txt"] = format_manifest(tags.items())
    _write_zip(output, {f"{name}/{path}": content for path, content in {**tags, **payload}.items()}, at)


def _write_zip(output: BinaryIO, files: Files, at: datetime) -> None:
    """Stored without compression: a library of another version would compress to other bytes."""
    utc = at.astimezone(UTC)
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second))
            entry.create_system, entry.external_attr = 3, _MODE
            if isinstance(content, bytes):
                archive.writestr(entry, content)
                continue
            entry.file_size = content.size
            with archive.open(entry, "w") as packed, content.path.open("rb") as file:
                shutil.copyfileobj(file, packed, _PART_BYTES)
