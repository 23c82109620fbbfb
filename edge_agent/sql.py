"""SQL lives in `.sql` files as named blocks (`-- name: add`); this reads them."""

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\s*$", re.MULTILINE)


def load_sql(path: Path) -> dict[str, str]:
    """`.sql` file -> {name: SQL}; what stands before the first name is the file's own comment."""
    _, *parts = _NAME.split(path.read_text(encoding="utf-8"))
    return {name: body.strip() for name, body in zip(parts[::2], parts[1::2], strict=True)}
