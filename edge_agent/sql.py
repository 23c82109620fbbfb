"""Reads `.sql` files, which hold SQL as named blocks (`-- name: add`). A name used twice raises ValueError."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_sql(path: Path) -> dict[str, str]:
    """`.sql` file -> {name: SQL}; what stands before the first name is the file's own comment."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        msg = f"{path}: a statement's name is used twice"
        raise ValueError(msg)
    return {name: body.strip() for name, body in zip(names, statements, strict=True)}
