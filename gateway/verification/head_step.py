"""The step that compares heads: two heads of one log must belong to one history. Pure.

Of two heads of one size the roots must be equal. Of two sizes only a consistency proof shows that one continues the
other; a witness that signed both, the larger one later, has seen such a proof.
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

from gateway.verification.membership import Head
from gateway.verification.step import StepState, VerificationStep, make_step


def compare_heads(heads: Iterable[Head]) -> list[VerificationStep]:
    """One step for each log with more than one head; heads with a fault are left out: other steps name them."""
    readable = [head for head in heads if head.checkpoint is not None and not head.log_fault]
    by_log = groupby(sorted(readable, key=_origin), key=_origin)
    groups = [(origin, sorted(group, key=_size)) for origin, group in by_log]
    return [_compare(origin, group) for origin, group in groups if len(group) > 1]


def _compare(origin: str, heads: Sequence[Head]) -> VerificationStep:
    compared = {str(_size(head)): _root(head) for head in heads}
    conflict = _find_fork(heads) or _find_shrinking(heads)
    if conflict:
        return make_step(
            "heads", StepState.FALSE, compared=compared, reason=conflict, values={"log": origin, "count": len(heads)}
        )
    is_joined = all(
        _size(first) == _size(second) or _witnesses(first) & _witnesses(second) for first, second in pairwise(heads)
    )
    state = StepState.OK if is_joined else StepState.UNCHECKED
    return make_step("heads", state, compared=compared, values={"log": origin, "count": len(heads)})


def _find_fork(heads: Sequence[Head]) -> str:
    for first, second in pairwise(heads):
        if _size(first) == _size(second) and _root(first) != _root(second):
            both = sorted(_witnesses(first) & _witnesses(second))
            addition = f"; {', '.join(both)} signed both, which no honest witness does" if both else ""
            return f"two heads of {_size(first)} leaves have different roots: the log was forked{addition}"
    return ""


def _find_shrinking(heads: Sequence[Head]) -> str:
    """A witness states with its signature that no larger head was shown to it before."""
    signed = sorted((item.witness, item.time, _size(head)) for head in heads for item in head.cosignatures)
    for (witness, time, size), (next_witness, next_time, next_size) in pairwise(signed):
        if witness == next_witness and time < next_time and next_size < size:
            return f"{witness} signed {size} leaves and later {next_size}: the log shrank"
    return ""


def _origin(head: Head) -> str:
    return head.checkpoint.origin if head.checkpoint is not None else ""


def _size(head: Head) -> int:
    return head.checkpoint.size if head.checkpoint is not None else 0


def _root(head: Head) -> str:
    return head.checkpoint.root.hex() if head.checkpoint is not None else ""


def _witnesses(head: Head) -> set[str]:
    return {item.witness for item in head.cosignatures}
