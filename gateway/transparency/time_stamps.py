"""Hourly time stamps of a log's head from an RFC 3161 authority, stored as `timestamps/<size>.tsr`.

`timestamps/<size>.checkpoint` beside it is the signed head that was stamped: a proof can lead to it later. A stamp is
verified before it is stored. An authority that fails is tried again after a minute, then ever more seldom.
"""

import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path

import httpx

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.atomic_file import write_atomically
from gateway.telemetry import TIME_STAMPS
from gateway.transparency.checkpoint import Checkpoint, read_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.time_stamp_token import TrustedAuthority, build_time_stamp_request, check_time_stamp

_LOG = get_logger("gateway.transparency")
_FOLDER = "timestamps"
_FIRST_RETRY = 60.0  # s
_MAX_ANSWER_BYTES = 65_536


class TimeStampOutcome(StrEnum):
    """Result of requesting a time stamp."""

    STORED = "stored"
    UNREACHABLE = "unreachable"  # no answer, or another status than 200
    WRONG_ANSWER = "wrong_answer"  # no stamp of this head by the configured authority
    NOT_WRITTEN = "not_written"  # the disk failed


class TimeStamper:
    """Requests stamps for the heads of one log; `folder` is the folder of its public files."""

    def __init__(
        self,
        url: str,
        authority: TrustedAuthority | None,
        folder: Path,
        *,
        interval: float = 3_600.0,
        timeout: float = 10.0,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`interval` between two stamps and `timeout` in seconds; `now` in seconds since 1970."""
        self._url, self._authority, self._folder = url, authority, folder / _FOLDER
        self._interval, self._timeout, self._now = interval, timeout, now
        self._retry = _FIRST_RETRY
        self._due_at = _read_newest_time(self._folder) + interval
        self._outcome: TimeStampOutcome | None = None

    async def stamp_if_due(self, note: bytes) -> TimeStampOutcome | None:
        """Stamp this published head if an hour has passed since the last stamp; None: not due, or stamped before.

        Never raises for an authority or a disk that fails. Raises ProofError if `note` is no checkpoint.
        """
        if self._now() < self._due_at:
            return None
        checkpoint = read_checkpoint(note)
        if (self._folder / f"{checkpoint.size}.tsr").exists():
            return None
        outcome, detail = await self._stamp(checkpoint, note)
        self._plan_next(outcome)
        TIME_STAMPS.labels(outcome=outcome.value).inc()
        self._report(outcome, checkpoint, detail)
        return outcome

    async def _stamp(self, checkpoint: Checkpoint, note: bytes) -> tuple[TimeStampOutcome, str]:
        text = checkpoint.encode()
        request = build_time_stamp_request(text)
        try:
            answer = await self._post(request.as_bytes())
            stamped_at = check_time_stamp(answer, text, self._authority, nonce=request.nonce)
            self._store(checkpoint.size, note, answer)
        except ProofError as error:
            return TimeStampOutcome.WRONG_ANSWER, str(error)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            return TimeStampOutcome.UNREACHABLE, one_line(error)
        except OSError as error:
            return TimeStampOutcome.NOT_WRITTEN, one_line(error)
        return TimeStampOutcome.STORED, stamped_at.isoformat()

    async def _post(self, content: bytes) -> bytes:
        headers = {"Content-Type": "application/timestamp-query", "Accept-Encoding": "identity"}
        body = b""
        async with (
            httpx.AsyncClient(timeout=self._timeout, trust_env=False) as client,
            client.stream("POST", self._url, content=content, headers=headers) as response,
        ):
            response.raise_for_status()
            async for part in response.aiter_raw():
                body += part
                if len(body) > _MAX_ANSWER_BYTES:
                    raise ProofError(f"the answer has more than {_MAX_ANSWER_BYTES} bytes")
        return body

    def _store(self, size: int, note: bytes, answer: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_atomically(self._folder / f"{size}.checkpoint", note)
        write_atomically(self._folder / f"{size}.tsr", answer)

    def _plan_next(self, outcome: TimeStampOutcome) -> None:
        if outcome is TimeStampOutcome.STORED:
            self._retry, self._due_at = _FIRST_RETRY, self._now() + self._interval
        else:
            self._due_at = self._now() + min(self._retry, self._interval)
            self._retry *= 2

    def _report(self, outcome: TimeStampOutcome, checkpoint: Checkpoint, detail: str) -> None:
        if outcome is self._outcome:
            return
        self._outcome = outcome
        keys = {"origin": checkpoint.origin, "size": checkpoint.size, "detail": detail}
        if outcome is TimeStampOutcome.STORED:
            _LOG.info("time stamp stored", **keys)
        else:
            _LOG.warning("no time stamp", **keys, outcome=outcome.value)


def _read_newest_time(folder: Path) -> float:
    """Time of the newest stored stamp, seconds since 1970; 0 without one."""
    return max((path.stat().st_mtime for path in folder.glob("*.tsr")), default=0.0)
