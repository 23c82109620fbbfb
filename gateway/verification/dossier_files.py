"""Files of a dossier: an unpacked folder or a ZIP. Nothing is unpacked; every size is limited before it is read.

A ZIP of a stranger may be made to exhaust memory (a bomb), to write outside its folder, or to be read differently by
two programs (one name twice). Only stored or deflated entries with plain relative names are read.
"""

import hashlib
import io
import os
import re
import stat
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from gateway.transparency.errors import ProofError

MAX_FILES = 20_000
MAX_FILE_BYTES = 1_073_741_824
MAX_ZIP_BYTES = 2_147_483_647  # a larger ZIP needs the form for very large files
MAX_TOTAL_BYTES = 2_147_483_647
MAX_DIRECTORY_BYTES = 8_388_608
_END_BYTES = 22  # end of the central directory without a comment
_LARGE_BYTES = 20  # before it, in a ZIP of the form for very large files
_CHUNK_BYTES = 1_048_576
_NAME = re.compile(r"[^\\\0:/]+(?:/[^\\\0:/]+)*")


class DossierFiles(ABC):
    """Names and contents of the files of a dossier. All methods raise ProofError for what cannot be read."""

    @abstractmethod
    def names(self) -> Sequence[str]:
        """Names relative to the dossier, with slashes, sorted."""

    @abstractmethod
    def iterate(self, name: str) -> Iterator[bytes]:
        """Contents of a file in parts."""

    def read(self, name: str, limit: int = MAX_FILE_BYTES) -> bytes:
        """Contents of a file of at most `limit` bytes."""
        content = bytearray()
        for part in self.iterate(name):
            content += part
            if len(content) > limit:
                raise ProofError(f"{name} has more than {limit} bytes")
        return bytes(content)

    def hash(self, name: str) -> str:
        """SHA-256 of a file in hexadecimal."""
        digest = hashlib.sha256()
        for part in self.iterate(name):
            digest.update(part)
        return digest.hexdigest()


class FolderFiles(DossierFiles):
    """Files below a folder. Links are not followed: they may lead out of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._paths = dict(self._find(folder))

    def names(self) -> Sequence[str]:
        """Names of the regular files, sorted."""
        return sorted(self._paths)

    def iterate(self, name: str) -> Iterator[bytes]:
        """Contents in parts of 1 MiB."""
        total = 0
        try:
            with self._paths[name].open("rb") as file:
                while part := file.read(_CHUNK_BYTES):
                    total += len(part)
                    if total > MAX_FILE_BYTES:
                        raise ProofError(f"{name} has more than {MAX_FILE_BYTES} bytes")
                    yield part
        except OSError as error:
            raise ProofError(f"{name} cannot be read: {error.strerror}") from None

    def _find(self, folder: Path) -> Iterator[tuple[str, Path]]:
        count = 0
        for root, folders, names in os.walk(folder):
            for name in (*names, *(name for name in folders if Path(root, name).is_symlink())):
                path = Path(root, name)
                count += 1
                if count > MAX_FILES:
                    raise ProofError(f"the folder has more than {MAX_FILES} files")
                if not stat.S_ISREG(path.lstat().st_mode):
                    raise ProofError(f"{path.relative_to(folder)} is no regular file")
                yield path.relative_to(folder).as_posix(), path


class ZipFiles(DossierFiles):
    """Entries of a ZIP: its bytes, or a file. A single folder that holds everything is left out of the names."""

    def __init__(self, content: bytes | BinaryIO) -> None:
        file = io.BytesIO(content) if isinstance(content, bytes) else content
        _check_end(file)
        try:
            self._archive = zipfile.ZipFile(file)
        except Exception as error:  # noqa: BLE001 - zipfile raises many kinds for bytes of a stranger
            raise ProofError(f"the ZIP cannot be read: {error}") from None
        entries = [entry for entry in self._archive.infolist() if not entry.filename.endswith("/")]
        _check_entries(entries)
        prefix = _common_folder([entry.filename for entry in entries])
        self._entries = {entry.filename.removeprefix(prefix): entry for entry in entries}

    def names(self) -> Sequence[str]:
        """Names of the entries that are files, sorted."""
        return sorted(self._entries)

    def iterate(self, name: str) -> Iterator[bytes]:
        """Contents in parts of 1 MiB, never more than the entry announces."""
        entry, total = self._entries[name], 0
        try:
            with self._archive.open(entry) as file:
                while part := file.read(_CHUNK_BYTES):
                    total += len(part)
                    if total > entry.file_size:
                        raise ProofError(f"{name} is longer than the ZIP says")
                    yield part
        except ProofError:
            raise
        except Exception as error:  # noqa: BLE001 - as above
            raise ProofError(f"{name} in the ZIP cannot be read: {error}") from None
        if total != entry.file_size:
            raise ProofError(f"{name} is shorter than the ZIP says")


def _check_end(file: BinaryIO) -> None:
    """Bound the directory before it is read: its length stands in the last 22 bytes."""
    size = file.seek(0, os.SEEK_END)
    if size > MAX_ZIP_BYTES:
        raise ProofError(f"the ZIP has {size} bytes, more than {MAX_ZIP_BYTES}")
    file.seek(max(0, size - _END_BYTES - _LARGE_BYTES))
    content = file.read()
    end = content[-_END_BYTES:]
    if len(end) < _END_BYTES or end[:4] != b"PK\x05\x06" or end[-2:] != b"\0\0":
        raise ProofError("the ZIP does not end in its directory, or has a comment")
    if content[:-_END_BYTES][-_LARGE_BYTES:][:4] == b"PK\x06\x07":
        raise ProofError("the ZIP has the form for very large files")
    if int.from_bytes(end[12:16], "little") > MAX_DIRECTORY_BYTES:
        raise ProofError("the directory of the ZIP is too long")


def _check_entries(entries: Sequence[zipfile.ZipInfo]) -> None:
    names = [entry.filename for entry in entries]
    if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_TOTAL_BYTES:
        raise ProofError(f"the ZIP has more than {MAX_FILES} files or {MAX_TOTAL_BYTES} bytes")
    if len({name.casefold() for name in names}) != len(names):
        raise ProofError("the ZIP has a name twice")
    for entry in entries:
        _check_entry(entry)


def _check_entry(entry: zipfile.ZipInfo) -> None:
    name, kind = entry.filename, stat.S_IFMT(entry.external_attr >> 16)
    if not _NAME.fullmatch(name) or {".", ".."} & set(name.split("/")) or entry.orig_filename != name:
        raise ProofError(f"the ZIP has a name that leads elsewhere: {name[:80]!r}")
    if kind not in {0, stat.S_IFREG} or entry.flag_bits & 1:
        raise ProofError(f"{name[:80]} in the ZIP is a link or encrypted")
    if entry.compress_type not in {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}:
        raise ProofError(f"{name[:80]} in the ZIP is packed in another way than `deflate`")


def _common_folder(names: Sequence[str]) -> str:
    folders = {name.partition("/")[0] + "/" if "/" in name else "" for name in names}
    return folders.pop() if len(folders) == 1 and folders != {"data/"} else ""
