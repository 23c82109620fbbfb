"""A dossier as one ZIP file: a bag (BagIt, RFC 8493). The same files give the same bytes. Pure."""

import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

from gateway.dossier.exhibits import format_manifest

_DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
_MODE = 0o100644 << 16  # a plain file that its owner may write


def write_bag(name: str, files: Mapping[str, bytes], facts: Mapping[str, str], at: datetime) -> bytes:
    """Return the ZIP file. `name`: its folder; `facts`: lines of bag-info.txt; `at`: date of every file in it."""
    payload = {f"data/{path}": files[path] for path in sorted(files)}
    size = sum(len(content) for content in payload.values())
    all_facts = {**facts, "Payload-Oxum": f"{size}.{len(payload)}", "Bagging-Date": f"{at.astimezone(UTC):%Y-%m-%d}"}
    tags = {
        "bag-info.txt": "".join(f"{label}: {text}\n" for label, text in all_facts.items()).encode(),
        "bagit.txt": _DECLARATION,
        "manifest-sha256.txt": format_manifest(payload.items()),
    }
    tags["tagmanifest-sha256.txt"] = format_manifest(tags.items())
    return _write_zip({f"{name}/{path}": content for path, content in {**tags, **payload}.items()}, at)


def _write_zip(files: Mapping[str, bytes], at: datetime) -> bytes:
    """Stored without compression: a library of another version would compress to other bytes."""
    utc = at.astimezone(UTC)
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", zipfile.ZIP_STORED) as archive:
        for path, content in files.items():
            entry = zipfile.ZipInfo(path, (utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second))
            entry.create_system, entry.external_attr = 3, _MODE
            archive.writestr(entry, content)
    return output.getvalue()
