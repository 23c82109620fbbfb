"""Imports without optional dependencies that this program does not use, so that a service starts sooner.

A library that tries an optional dependency loads it wherever it is installed. structlog loads rich for a renderer of
tracebacks, and numba loads scipy for linear algebra.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast


@contextmanager
def hide_modules(*names: str) -> Iterator[None]:
    """Let imports of these modules fail inside the block, in every thread, as if they were not installed."""
    modules = cast("dict[str, object]", sys.modules)
    hidden = {name: modules.get(name) for name in names}
    modules.update(dict.fromkeys(names))
    try:
        yield
    finally:
        for name, module in hidden.items():
            if module is None:
                del modules[name]
            else:
                modules[name] = module
