"""A file of a dossier that is too large for memory: it lies on the disk until the dossier is packed."""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

from msgspec import Struct

from gateway.dossier.errors import DossierError


class StoredFile(Struct, frozen=True, kw_only=True):
    """A file with its length in bytes and its SHA-256 in hexadecimal."""

    path: Path
    size: int
    sha256: str


FileContent = bytes | StoredFile
Files = Mapping[str, FileContent]


def measure_size(content: FileContent) -> int:
    """Length in bytes."""
    return content.size if isinstance(content, StoredFile) else len(content)


def hash_content(content: FileContent) -> str:
    """SHA-256 in hexadecimal."""
    return content.sha256 if isinstance(content, StoredFile) else hashlib.sha256(content).hexdigest()


class FileWriter:
    """Writes a file in parts. Raises DossierError with one sentence if the disk is full or fails."""

    def __init__(self, path: Path) -> None:
        self._path, self._digest, self._size = path, hashlib.sha256(), 0
        try:
            self._file = path.open("wb")
        except OSError as error:
            raise _describe(error) from None

    def write(self, parts: Iterable[bytes]) -> None:
        """Append these parts."""
        try:
            for part in parts:
                self._file.write(part)
                self._digest.update(part)
                self._size += len(part)
        except OSError as error:
            self._file.raw.close()  # the buffer cannot be written either
            raise _describe(error) from None

    def close(self) -> StoredFile:
        """Return the file."""
        try:
            self._file.close()
        except OSError as error:
            self._file.raw.close()
            raise _describe(error) from None
        return StoredFile(path=self._path, size=self._size, sha256=self._digest.hexdigest())


def _describe(error: OSError) -> DossierError:
    return DossierError(
        f"a file of the dossier cannot be written: {error.strerror}; "
        "set TMPDIR to a folder with more room, or make a dossier of a shorter period"
    )
