"""Reads `.sql` files, which hold SQL as named blocks. A name that is used twice raises ValueError.

-- name: pending_inbox
SELECT ...
"""

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


@cache
def load_queries(path: Path) -> Mapping[str, str]:
    """`.sql` file -> {name: statement}; text before the first name is the file's comment."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    names, statements = parts[::2], parts[1::2]
    if len(set(names)) != len(names):
        msg = f"{path}: a query's name is used twice"
        raise ValueError(msg)
    return MappingProxyType({name: body.strip() for name, body in zip(names, statements, strict=True)})
