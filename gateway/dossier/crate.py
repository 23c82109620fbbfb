"""The description of a dossier for programs: RO-Crate 1.1 metadata (https://w3id.org/ro/crate/1.1). Pure."""

from datetime import datetime
from typing import Any

import msgspec

from gateway.dossier.exhibits import MEDIA_TYPES
from gateway.dossier.stored_file import FileContent, Files, hash_content, measure_size
from gateway.export.command import LICENCE
from gateway.model.timestamps import format_seconds

FILE_NAME = "ro-crate-metadata.json"
_SPECIFICATION = "https://w3id.org/ro/crate/1.1"
_TERMS = {"sha256": "http://schema.org/sha256"}  # which the context of RO-Crate 1.1 may lack
_ORGANISATION = "#publisher"


def write_crate(files: Files, *, title: str, description: str, operator: str, language: str, at: datetime) -> bytes:
    """Return ro-crate-metadata.json of these files. `at`: the newest moment of the data in them."""
    paths = sorted(files)
    graph: list[dict[str, Any]] = [
        {
            "@id": FILE_NAME,
            "@type": "CreativeWork",
            "conformsTo": {"@id": _SPECIFICATION},
            "about": {"@id": "./"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": title,
            "description": description,
            "datePublished": format_seconds(at),
            "inLanguage": language,
            "license": {"@id": LICENCE},
            "publisher": {"@id": _ORGANISATION},
            "hasPart": [{"@id": path} for path in paths],
        },
        {"@id": _ORGANISATION, "@type": "Organization", "name": operator},
        {"@id": LICENCE, "@type": "CreativeWork", "name": "CC BY 4.0", "description": "Creative Commons BY 4.0"},
        *(_describe_file(path, files[path]) for path in paths),
    ]
    crate = {"@context": [f"{_SPECIFICATION}/context", _TERMS], "@graph": graph}
    return msgspec.json.format(msgspec.json.encode(crate), indent=2) + b"\n"


def _describe_file(path: str, content: FileContent) -> dict[str, Any]:
    ending = path.rpartition(".")[2]
    return {
        "@id": path,
        "@type": "File",
        "name": path.rpartition("/")[2],
        "encodingFormat": MEDIA_TYPES.get(ending, "application/octet-stream"),
        "contentSize": str(measure_size(content)),
        "sha256": hash_content(content),
    }
