"""The files of a public log, from an address or from a folder. Called by the audit.

A file that is missing or cannot be fetched is an UnreachableError: nothing is known about the log then, and nothing is
claimed.
"""

import http.client
import urllib.parse
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from gateway.transparency.tiles import WIDTH, Tile

_TIMEOUT = 20.0  # s
_MAX_BYTES = 256 * 65_537  # the largest bundle of entries
_HEADERS = {"User-Agent": "piekwacht-audit", "Accept-Encoding": "identity"}

ReadFile = Callable[[str], bytes]
"""(path below the log) -> content. Raises UnreachableError, or MissingFileError."""


class UnreachableError(Exception):
    """The log cannot be read now: one sentence."""


class MissingFileError(UnreachableError):
    """The log has no such file."""


def open_log(address: str) -> ReadFile:
    """Return the reader of an address with http or https, or of a folder."""
    if address.startswith(("http://", "https://")):
        return _WebReader(address.rstrip("/")).read
    return _FolderReader(Path(address)).read


def read_tile(read_file: ReadFile, tile: Tile) -> bytes:
    """Return a tile or bundle of entries; a log may have only the full one where a partial one is requested."""
    try:
        return read_file(tile.path)
    except MissingFileError:
        if tile.width == WIDTH:
            raise
        return read_file(Tile(level=tile.level, index=tile.index).path)


class _FolderReader:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def read(self, path: str) -> bytes:
        try:
            with (self._folder / path).open("rb") as file:
                return _check_length(path, file.read(_MAX_BYTES + 1))
        except FileNotFoundError:
            raise MissingFileError(f"{self._folder / path} is missing") from None
        except OSError as error:
            raise UnreachableError(f"{self._folder / path} cannot be read: {error.strerror}") from None


class _WebReader:
    """One connection for many files; it is opened again if the server closed it. Redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._url = url
        try:
            parts = urllib.parse.urlsplit(url)
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(parts.hostname or "", parts.port, timeout=_TIMEOUT)
        except ValueError:
            raise UnreachableError(f"{url} is no address of a log") from None
        self._prefix = parts.path

    def read(self, path: str) -> bytes:
        with suppress(http.client.RemoteDisconnected, ConnectionError):
            return self._request(path)
        try:
            return self._request(path)
        except (http.client.HTTPException, OSError) as error:
            self._connection.close()
            raise UnreachableError(f"{self._url} cannot be reached: {error}") from None

    def _request(self, path: str) -> bytes:
        try:
            self._connection.request("GET", f"{self._prefix}/{path}", headers=_HEADERS)
            response = self._connection.getresponse()
            body = response.read(_MAX_BYTES + 1)
        except (http.client.HTTPException, OSError):
            self._connection.close()
            raise
        if not response.isclosed():  # more than the limit is left
            self._connection.close()
        if response.status == 404:
            raise MissingFileError(f"{self._url}/{path} is missing")
        if response.status != 200:
            raise UnreachableError(f"{self._url}/{path} answers with status {response.status}")
        return _check_length(path, body)


def _check_length(path: str, content: bytes) -> bytes:
    if len(content) > _MAX_BYTES:
        raise UnreachableError(f"{path} has more than {_MAX_BYTES} bytes, so that it is no file of a log")
    return content
