"""Requests and responses of the witness' HTTP server: reading the head of a request, writing a response. Pure."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Self

from msgspec import Struct

_REQUEST_LINE = re.compile(r"([A-Z]{1,16}) (/[!-~]{0,1024}) HTTP/1\.([01])")
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(r"[0-9]{1,9}")
_MAX_HEADERS = 64
TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"


class BadRequestError(Exception):
    """A request that is answered with this status, after which the connection ends."""

    def __init__(self, status: HTTPStatus, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class RequestHead(Struct, frozen=True, kw_only=True):
    """The first line and the headers of a request; `length` of the body in bytes."""

    method: str
    path: str
    length: int
    keep_alive: bool
    expects_continue: bool
    language: str

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read the lines up to the empty one, which is not among them. Raises BadRequestError."""
        first, *lines = raw.decode("latin-1").split("\r\n")
        match = _REQUEST_LINE.fullmatch(first)
        if match is None:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "this is no request of HTTP/1.1")
        headers = _read_headers(lines)
        connection = headers.get("connection", "").lower()
        return cls(
            method=match[1],
            path=match[2].partition("?")[0],
            length=_read_length(headers),
            keep_alive=connection != "close" and (match[3] == "1" or connection == "keep-alive"),
            expects_continue=headers.get("expect", "").lower() == "100-continue",
            language=headers.get("accept-language", ""),
        )


def _read_headers(lines: list[str]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None or len(lines) > _MAX_HEADERS:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "a header cannot be read, or there are too many")
        if match[1].lower() in headers and match[1].lower() in {"content-length", "transfer-encoding"}:
            raise BadRequestError(HTTPStatus.BAD_REQUEST, "the length of the body is stated twice")
        headers[match[1].lower()] = match[2]
    return headers


def _read_length(headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise BadRequestError(HTTPStatus.LENGTH_REQUIRED, "a body needs a Content-Length; one in chunks is not read")
    text = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(text):
        raise BadRequestError(HTTPStatus.BAD_REQUEST, "the Content-Length is no number")
    return int(text)


class HttpResponse(Struct, frozen=True, kw_only=True):
    """Status, body and headers of a response."""

    status: HTTPStatus
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = {}

    def encode(self, *, keep_alive: bool, head_only: bool = False) -> bytes:
        """Bytes on the connection; `head_only`: the answer to HEAD."""
        headers = {
            "Content-Type": self.content_type,
            "Content-Length": str(len(self.body)),
            "Connection": "keep-alive" if keep_alive else "close",
            "X-Content-Type-Options": "nosniff",
            **self.headers,
        }
        lines = [f"HTTP/1.1 {self.status.value} {self.status.phrase}", *(f"{k}: {v}" for k, v in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + (b"" if head_only else self.body)


def respond_sentence(status: HTTPStatus, sentence: str, **headers: str) -> HttpResponse:
    """Return a response of one sentence; `headers` with underscores for hyphens."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return HttpResponse(status=status, body=sentence.encode("utf-8", "replace") + b"\n", headers=named)
