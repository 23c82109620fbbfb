"""JSON of a stranger, read strictly: two readers never take it for different things. Pure."""

import json
import math
from typing import Any

from gateway.transparency.errors import ProofError


def load_json(content: bytes) -> Any:  # noqa: ANN401 - any JSON
    """Read JSON of a stranger: no key twice, no NaN, no half characters. Raises ProofError."""
    try:
        value = json.loads(
            content.decode(),
            object_pairs_hook=_make_object,
            parse_constant=_refuse_constant,
            parse_float=_parse_number,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except ProofError:
        raise
    except UnicodeEncodeError:
        raise ProofError("there is half a character in a text") from None
    except (ValueError, RecursionError) as error:
        raise ProofError(f"it is not JSON: {error}") from None
    return value


def _make_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ProofError("a key stands twice in one object")
    return result


def _parse_number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ProofError(f"the number {text[:20]} is too large")
    return value


def _refuse_constant(name: str) -> None:
    raise ProofError(f"{name} stands where JSON has a number")
