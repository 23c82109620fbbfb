"""Whether a witness signs a checkpoint: https://c2sp.org/tlog-witness, with the status of each refusal. Pure."""

from http import HTTPStatus

from msgspec import Struct

from edge_agent.wire import Verifier
from gateway.transparency.add_checkpoint import CheckpointRequest, keep_signature
from gateway.transparency.errors import ProofError
from gateway.transparency.merkle import EMPTY_ROOT, check_consistency

# Before this time the clock of the machine cannot have been set: 2026-01-01.
_EARLIEST_TIME = 1_767_225_600
_CLOCK_TOLERANCE = 60  # s by which the clock may be set back


class CosignedHead(Struct, frozen=True, kw_only=True):
    """A head that the witness signed: its note with both signatures, and the time of the last one (s since 1970)."""

    origin: str
    size: int
    root: bytes
    note: bytes
    cosigned_at: int


class CheckpointRefusal(Struct, frozen=True, kw_only=True):
    """Why a checkpoint is not signed. `newest_size`: the size that a status 409 carries."""

    status: HTTPStatus
    sentence: str
    newest_size: int | None = None


def judge_signature(request: CheckpointRequest, log: Verifier) -> CheckpointRefusal | None:
    """Refuse a false or missing signature of the log (403) and a log that shrinks (400)."""
    try:
        keep_signature(request.note, log)
    except ProofError as error:
        return _refuse(HTTPStatus.FORBIDDEN, str(error))
    if request.old_size > request.checkpoint.size:
        sentence = f"the old size {request.old_size} is larger than that of the checkpoint, {request.checkpoint.size}"
        return _refuse(HTTPStatus.BAD_REQUEST, sentence)
    return None


def judge_growth(request: CheckpointRequest, newest: CosignedHead | None) -> CheckpointRefusal | None:
    """Refuse a checkpoint that does not start at the newest head (409) or does not continue it (422)."""
    newest_size, newest_root = (newest.size, newest.root) if newest else (0, EMPTY_ROOT)
    if request.old_size != newest_size:
        sentence = f"the newest head that this witness signed has {newest_size} leaves"
        return CheckpointRefusal(status=HTTPStatus.CONFLICT, sentence=sentence, newest_size=newest_size)
    checkpoint = request.checkpoint
    try:
        checkpoint.check_empty_root()
        check_consistency(newest_size, checkpoint.size, newest_root, checkpoint.root, request.proof)
    except ProofError as error:
        return _refuse(HTTPStatus.UNPROCESSABLE_ENTITY, str(error))
    return None


def judge_clock(now: int, newest: CosignedHead | None) -> CheckpointRefusal | None:
    """Refuse to sign with a clock that cannot be right (503): a signature states its time."""
    earliest = _EARLIEST_TIME if newest is None else max(_EARLIEST_TIME, newest.cosigned_at - _CLOCK_TOLERANCE)
    if now >= earliest:
        return None
    sentence = "the clock of this witness is behind the time of its last signature; it signs when the clock is set"
    return _refuse(HTTPStatus.SERVICE_UNAVAILABLE, sentence)


def _refuse(status: HTTPStatus, sentence: str) -> CheckpointRefusal:
    return CheckpointRefusal(status=status, sentence=sentence)
