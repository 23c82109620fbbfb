"""Reader of `.sql` files: named statements (`-- name: add`).

alerting/sql.py is the same reader for the gateway and alerting; docs/adr/0001 gives the reason.
"""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_sql(path: Path) -> dict[str, str]:
    """`.sql` file -> {name: statement}. The text before the first name is a comment. ValueError: a name twice."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        raise ValueError(f"{path}: a statement's name is used twice")
    return {name: body.strip() for name, body in zip(names, statements, strict=True)}
