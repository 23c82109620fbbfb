"""The answers of a witness: add-checkpoint, the newest head of each log, and a page for people."""

import hashlib
import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus

from edge_agent.wire import Signer, Verifier
from gateway.transparency.add_checkpoint import PATH, SIZE_CONTENT_TYPE, CheckpointRequest, keep_signature
from gateway.transparency.cosignature import WitnessKey, cosign
from gateway.transparency.errors import ProofError
from gateway.witness.decision import CheckpointRefusal, judge_signature
from gateway.witness.http_message import HTML, HttpResponse, respond_sentence
from gateway.witness.http_server import HttpRequest
from gateway.witness.page import LogSummary, WitnessSummary, render_page
from gateway.witness.state import ConflictKind, CosigningDecision, WitnessState

_LOG = logging.getLogger("gateway.witness")
_PAGE_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'", "Vary": "Accept-Language"}
_REFUSALS_OF_SENDERS = {HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT}


class WitnessService:
    """Answers requests with the key and the memory of one witness. `respond` may be called from several threads."""

    def __init__(
        self,
        signer: Signer,
        logs: Mapping[str, Verifier],
        state: WitnessState,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._signer, self._logs, self._state, self._now = signer, logs, state, now
        self._origins = {hash_origin(origin): origin for origin in logs}

    def respond(self, request: HttpRequest) -> HttpResponse:
        """Answer a request."""
        is_post, is_read = request.method == "POST", request.method in {"GET", "HEAD"}
        if request.path == PATH:
            return self._add_checkpoint(request.body) if is_post else _refuse_method("POST")
        if not is_read:
            return _refuse_method("GET, HEAD")
        if request.path == "/":
            page = render_page(self.summarise(), request.language)
            return HttpResponse(status=HTTPStatus.OK, body=page, content_type=HTML, headers=_PAGE_HEADERS)
        return self._show_checkpoint(request.path)

    def summarise(self) -> WitnessSummary:
        """Return name, key, logs with their newest heads, and conflicts."""
        logs = [LogSummary(origin=origin, newest=self._state.select_newest(origin)) for origin in sorted(self._logs)]
        key = str(WitnessKey.of(self._signer))
        return WitnessSummary(name=self._signer.name, key=key, logs=logs, conflicts=self._state.list_conflicts())

    def _add_checkpoint(self, body: bytes) -> HttpResponse:
        try:
            request = CheckpointRequest.parse(body)
        except ProofError as error:
            return respond_sentence(HTTPStatus.BAD_REQUEST, str(error))
        log = self._logs.get(request.checkpoint.origin)
        if log is None:
            return respond_sentence(HTTPStatus.NOT_FOUND, f"no log {request.checkpoint.origin} is known here")
        refusal = judge_signature(request, log)
        if refusal is not None:
            return _respond_refusal(refusal)
        try:
            decision = self._state.decide(
                request,
                keep_signature(request.note, log),
                now=int(self._now()),
                cosign=lambda text, at: cosign(self._signer, text, at),
            )
        except sqlite3.Error as error:
            _LOG.error("state not written: nothing was signed", extra={"error": error})
            return respond_sentence(HTTPStatus.SERVICE_UNAVAILABLE, "the witness cannot write its state")
        _log_decision(request, decision)
        if decision.signature is not None:
            return HttpResponse(status=HTTPStatus.OK, body=decision.signature)
        return _respond_refusal(decision.refusal)

    def _show_checkpoint(self, path: str) -> HttpResponse:
        digest, _, name = path.removeprefix("/").partition("/")
        origin = self._origins.get(digest) if name == "checkpoint" else None
        newest = None if origin is None else self._state.select_newest(origin)
        if newest is None:
            return respond_sentence(HTTPStatus.NOT_FOUND, "nothing is here, or no head of this log was signed yet")
        return HttpResponse(status=HTTPStatus.OK, body=newest.note)


def hash_origin(origin: str) -> str:
    """Return the SHA-256 of an origin in hexadecimal, as in the address of its checkpoint."""
    return hashlib.sha256(origin.encode()).hexdigest()


def _respond_refusal(refusal: CheckpointRefusal | None) -> HttpResponse:
    if refusal is None:
        raise AssertionError("a decision has a signature or a refusal")
    if refusal.newest_size is not None:
        body = f"{refusal.newest_size}\n".encode()
        return HttpResponse(status=refusal.status, body=body, content_type=SIZE_CONTENT_TYPE)
    return respond_sentence(refusal.status, refusal.sentence)


def _refuse_method(allowed: str) -> HttpResponse:
    return respond_sentence(HTTPStatus.METHOD_NOT_ALLOWED, f"this address takes {allowed}", Allow=allowed)


def _log_decision(request: CheckpointRequest, decision: CosigningDecision) -> None:
    keys = {"origin": request.checkpoint.origin, "size": request.checkpoint.size}
    if decision.conflict is ConflictKind.FORK:
        _LOG.error("log forked: it signed two roots for one size", extra=keys)
    elif decision.conflict is ConflictKind.NOT_CONTINUED:
        _LOG.warning("head refused: the proof does not lead to it", extra=keys)
    elif decision.refusal is not None and decision.refusal.status not in _REFUSALS_OF_SENDERS:
        _LOG.warning("head refused", extra={**keys, "reason": decision.refusal.sentence})
