"""The files of a dossier for programs: the event, readings, signed batches, proofs, rules and the record of alerts."""

import importlib.resources
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from itertools import groupby

import msgspec
from msgspec import Struct

from alerting.record.evidence import encode_record
from gateway.api.schemas.corrections import build_corrections
from gateway.api.schemas.events import Event, Revisions
from gateway.api.schemas.schema import state_licence_once
from gateway.dossier.contents import Contents, Series
from gateway.dossier.request import EventRequest
from gateway.dossier.stored_file import FileContent, Files, hash_content, measure_size
from gateway.export import tables
from gateway.export.command import LICENCE
from gateway.export.csv_dialect import Dialect
from gateway.export.selection import Rows, Selection, TableFormat
from gateway.model.timestamps import format_instant

MEDIA_TYPES = {
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "note": "text/plain",
    "parquet": "application/vnd.apache.parquet",
    "pdf": "application/pdf",
    "py": "text/x-python",
    "txt": "text/plain",
}
_FEW_FILES = 5  # of a folder with more, the exhibits name the folder
_BATCH_COLUMNS = ("node", "incarnation", "number", "sha256", "bytes", "clock", "late", "received_at", "committed_at")


class _EventList(Struct, frozen=True, kw_only=True):
    items: list[Event]


class _DetectorFile(Struct, frozen=True, kw_only=True):
    name: str
    parameters: msgspec.Raw | None


class Exhibit(Struct, frozen=True, kw_only=True):
    """A file, or the files of a folder: name, number of files, bytes together, and SHA-256 in hexadecimal.

    The hash of a folder is that of the lines of its files in the manifest.
    """

    name: str
    count: int
    size: int
    sha256: str


async def build_exhibit_files(contents: Contents, operator: str) -> Files:
    """Return path -> content of every file for programs; paths are relative to the payload of the bag."""
    files = dict[str, FileContent](_build_event_files(contents))
    for series in contents.series:
        files |= await _build_reading_files(series, operator)
    files |= _build_batch_files(contents)
    files |= {f"evidence/{name}": content for name, content in contents.evidence.items()}
    files |= {f"detection/{name}": content for name, content in contents.detections.items()}
    if contents.policy is not None:
        files["policy.txt"] = contents.policy.encode()
    verifier = read_verifier()
    if verifier is not None:
        files["verify.py"] = verifier
    files["corrections.json"] = _encode(build_corrections(operator, contents.calibrations))
    return files


def _build_event_files(contents: Contents) -> dict[str, bytes]:
    """The event as the API gives it; of a period the list of its events. With revisions, detectors and deliveries."""
    files = dict[str, bytes]()
    is_single = isinstance(contents.request, EventRequest)
    if is_single:
        files["event.json"] = _encode(contents.events[0].document)
    else:
        files["events.json"] = _encode(_EventList(items=[event.document for event in contents.events]))
    for event in contents.events:
        folder = "" if is_single else f"events/{event.document.id}/"
        attribution = event.document.attribution
        revisions = Revisions(event=event.document.id, items=list(event.revisions), attribution=attribution)
        files[f"{folder}revisions.json"] = _encode(revisions)
        parameters = None if event.parameters is None else msgspec.Raw(event.parameters.encode())
        files[f"{folder}detector.json"] = _encode(_DetectorFile(name=event.document.detector, parameters=parameters))
        if event.case_record is not None:
            record = event.case_record.to_evidence(event.document.id, contents.as_of)
            files[f"{folder}deliveries.json"] = encode_record(record)
    return files


async def _build_reading_files(series: Series, operator: str) -> dict[str, bytes]:
    """Single readings of every node, and the minutes of one, each as CSV and as Parquet."""
    notes = {"licence": LICENCE, "attribution": operator}
    return {
        f"readings/{selection.file_stem}.{format_}": await _write_table(selection, rows, format_, notes)
        for selection, rows in ((series.selection, series.rows), (series.minute_selection, series.minute_rows))
        for format_ in (TableFormat.CSV, TableFormat.PARQUET)
    }


async def _write_table(selection: Selection, rows: Rows, format_: TableFormat, notes: Mapping[str, str]) -> bytes:
    async def slices() -> AsyncIterator[Rows]:
        yield rows

    return b"".join([part async for part in tables.write_table(selection, slices(), format_, notes)])


def _build_batch_files(contents: Contents) -> dict[str, bytes]:
    """The signed bytes as they arrived, and a list of all batches with their hashes."""
    files = {f"batches/{batch.name}.note": batch.payload for batch in contents.batches if batch.payload}
    lines = [
        (batch.node, batch.incarnation, batch.number, batch.sha256.hex(), len(batch.payload), batch.clock,
         str(batch.late).lower(), format_instant(batch.received_at), format_instant(batch.committed_at))
        for batch in contents.batches
    ]  # fmt: skip
    files["batches.csv"] = Dialect().format_header(_BATCH_COLUMNS) + Dialect().format_lines(lines)
    return files


def read_verifier() -> bytes | None:
    """Return the stand-alone verifier, if this installation has it."""
    file = importlib.resources.files("gateway.verification").joinpath("standalone", "verify.py")
    return file.read_bytes() if file.is_file() else None


def list_exhibits(files: Files) -> list[Exhibit]:
    """Return the files with their hashes, by name; a folder with many files is one entry."""
    exhibits = []
    for folder, group in groupby(sorted(files), key=lambda path: path.rpartition("/")[0]):
        paths = list(group)
        if folder and len(paths) > _FEW_FILES:
            exhibits.append(_describe_folder(folder, paths, files))
        else:
            exhibits += [
                Exhibit(name=path, count=1, size=measure_size(files[path]), sha256=hash_content(files[path]))
                for path in paths
            ]
    return exhibits


def _describe_folder(folder: str, paths: Sequence[str], files: Files) -> Exhibit:
    lines = format_manifest((f"data/{path}", files[path]) for path in paths)
    return Exhibit(
        name=f"{folder}/",
        count=len(paths),
        size=sum(measure_size(files[path]) for path in paths),
        sha256=hash_content(lines),
    )


def format_manifest(items: Iterable[tuple[str, FileContent]]) -> bytes:
    """Return the lines of a manifest, as `sha256sum` writes and reads them."""
    return b"".join(f"{hash_content(content)}  {path}\n".encode() for path, content in items)


def _encode(document: object) -> bytes:
    """The document as the API gives it, indented so that people can read it."""
    return msgspec.json.format(msgspec.json.encode(state_licence_once(document)), indent=2) + b"\n"
