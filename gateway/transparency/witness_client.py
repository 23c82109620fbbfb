"""Cosignatures for the heads of our log: every head goes to all witnesses of the policy at once.

A witness that fails costs only its own signature. Its state is logged when it changes and not at every head. Which
size a witness signed last is remembered in memory; the witness itself corrects it with status 409.
"""

import asyncio
from enum import StrEnum

import httpx
from msgspec import Struct

from alerting.errors import one_line
from alerting.log import get_logger
from edge_agent.signing import NoteError
from gateway.telemetry import COSIGNATURES
from gateway.transparency.add_checkpoint import MAX_SIZE, PATH, SIZE_CONTENT_TYPE, CheckpointRequest
from gateway.transparency.checkpoint import Checkpoint, read_checkpoint
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import ReadHash, prove_consistency
from gateway.transparency.policy import Policy, Witness

_LOG = get_logger("gateway.transparency")
_MAX_ANSWER_BYTES = 65_536
_ATTEMPTS = 2  # the second after a status 409


class WitnessOutcome(StrEnum):
    """Result of sending a head to a witness."""

    SIGNED = "signed"
    UNREACHABLE = "unreachable"  # no answer within the time
    REFUSED = "refused"  # any other status than 200 and 409, such as 422: the witness sees a fork
    AHEAD = "ahead"  # it signed a larger head of this log than the one it is sent
    WRONG_ANSWER = "wrong_answer"  # no valid signature of its key, or no size with status 409
    NO_PROOF = "no_proof"  # our own tiles cannot be read or do not fit: nothing was sent


class WitnessAnswer(Struct, frozen=True, kw_only=True):
    """Outcome, with the signature lines if there are any, and one sentence about a failure."""

    outcome: WitnessOutcome
    signature: bytes = b""
    detail: str = ""


class WitnessClient:
    """Asks the witnesses of a policy that have an address. `outcomes`: the last one of each, by name."""

    def __init__(self, policy: Policy, *, timeout: float = 5.0) -> None:
        """`timeout`: seconds for one witness and one head, with all attempts."""
        self._witnesses = [witness for witness in policy.witnesses.values() if witness.address is not None]
        self._timeout = timeout
        self._sizes: dict[tuple[str, str], int] = {}  # (witness, origin) -> size that it signed last
        self.outcomes: dict[str, WitnessOutcome] = {}
        self._http: httpx.AsyncClient | None = None

    async def cosign(self, note: bytes, read_hash: ReadHash) -> bytes:
        """Return the signed checkpoint with the valid cosignatures appended that came in time.

        `read_hash` reads the tree of this checkpoint. Raises ProofError only if `note` itself is no checkpoint.
        """
        checkpoint = read_checkpoint(note)
        tasks = [self._ask(witness, checkpoint, note, read_hash) for witness in self._witnesses]
        answers = await asyncio.gather(*tasks)
        return note + b"".join(answer.signature for answer in answers)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _ask(self, witness: Witness, checkpoint: Checkpoint, note: bytes, read_hash: ReadHash) -> WitnessAnswer:
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._exchange(witness, checkpoint, note, read_hash)
        except TimeoutError:
            answer = WitnessAnswer(outcome=WitnessOutcome.UNREACHABLE, detail=f"no answer in {self._timeout:g} s")
        except ProofError as error:
            answer = WitnessAnswer(outcome=WitnessOutcome.WRONG_ANSWER, detail=one_line(error))
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
            answer = WitnessAnswer(outcome=WitnessOutcome.UNREACHABLE, detail=one_line(error))
        self._report(witness, checkpoint, answer)
        return answer

    async def _exchange(
        self, witness: Witness, checkpoint: Checkpoint, note: bytes, read_hash: ReadHash
    ) -> WitnessAnswer:
        memory = witness.name, checkpoint.origin
        for _ in range(_ATTEMPTS):
            old_size = min(self._sizes.get(memory, 0), checkpoint.size)
            try:
                proof = await asyncio.to_thread(prove_consistency, old_size, checkpoint.size, read_hash)
            except (ProofError, OSError) as error:
                return WitnessAnswer(outcome=WitnessOutcome.NO_PROOF, detail=one_line(error))
            request = CheckpointRequest(old_size=old_size, proof=tuple(proof), note=note, checkpoint=checkpoint)
            status, content_type, body = await self._post(witness, request.encode())
            if status != 409:
                break
            self._sizes[memory] = _read_size(content_type, body)
            if self._sizes[memory] > checkpoint.size:
                detail = f"it signed {self._sizes[memory]} leaves; this head has {checkpoint.size}"
                return WitnessAnswer(outcome=WitnessOutcome.AHEAD, detail=detail)
        if status != 200:
            detail = f"status {status}: {_one_line_of(body)}"
            return WitnessAnswer(outcome=WitnessOutcome.REFUSED, detail=detail)
        signature = select_signatures(witness, note, body)
        self._sizes[memory] = checkpoint.size
        return WitnessAnswer(outcome=WitnessOutcome.SIGNED, signature=signature)

    async def _post(self, witness: Witness, content: bytes) -> tuple[int, str, bytes]:
        """Return status, content type and body; of a longer body only the first 64 KiB."""
        if self._http is None:
            headers = {"Accept-Encoding": "identity"}
            self._http = httpx.AsyncClient(timeout=self._timeout, headers=headers, trust_env=False)
        body = b""
        url = f"{(witness.address or '').rstrip('/')}{PATH}"
        async with self._http.stream("POST", url, content=content) as response:
            async for part in response.aiter_raw():
                body += part[: _MAX_ANSWER_BYTES - len(body)]
                if len(body) >= _MAX_ANSWER_BYTES:
                    break
        return response.status_code, response.headers.get("Content-Type", ""), body

    def _report(self, witness: Witness, checkpoint: Checkpoint, answer: WitnessAnswer) -> None:
        COSIGNATURES.labels(witness=witness.name, outcome=answer.outcome.value).inc()
        before = self.outcomes.get(witness.name)
        self.outcomes[witness.name] = answer.outcome
        if before is answer.outcome:
            return
        keys = {"witness": witness.name, "origin": checkpoint.origin, "size": checkpoint.size}
        if answer.outcome is WitnessOutcome.SIGNED:
            _LOG.info("witness signs", **keys)
        else:
            _LOG.warning("witness does not sign", **keys, outcome=answer.outcome.value, detail=answer.detail)


def select_signatures(witness: Witness, note: bytes, answer: bytes) -> bytes:
    """Return the lines of the answer that the witness' key made, verified. Raises ProofError without a valid one."""
    mark = f"— {witness.key.name} ".encode()
    lines = [line + b"\n" for line in answer.split(b"\n") if line.startswith(mark)]
    signed = [line for line in lines if _is_by(witness, note + line)]
    if not signed:
        raise ProofError(f"the answer of {witness.name} has no signature of the key {witness.key}")
    return signed[0]


def _is_by(witness: Witness, note: bytes) -> bool:
    """Whether the note has a valid cosignature of this key. Raises ProofError for a false one."""
    try:
        return witness.key.check(note) is not None
    except NoteError as error:
        raise ProofError(f"the answer of {witness.name} cannot be read: {error}") from None


def _read_size(content_type: str, body: bytes) -> int:
    text = body.decode("ascii", "replace").removesuffix("\n")
    if not content_type.startswith(SIZE_CONTENT_TYPE) or not text.isdecimal() or not text.isascii():
        raise ProofError("the answer 409 of the witness has no size")
    if len(text) > 19 or int(text) > MAX_SIZE:
        raise ProofError(f"the answer 409 of the witness has the size {text[:40]}, more than a log can have")
    return int(text)


def _one_line_of(body: bytes) -> str:
    """Return the start of an answer, printable and on one line, for the log."""
    text = body[:200].decode("utf-8", "replace")
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())
