"""Parsers of command lines: each action describes itself, and takes `--config` before its name or after it."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any


class CommandParser(argparse.ArgumentParser):
    """A parser whose actions have their help as description, and the `--config` of their command."""

    def add_subparsers(self, **options: Any) -> Any:  # noqa: ANN401 - those of argparse
        """Add actions to this command; its own `--config` must be there already."""
        actions: Any = super().add_subparsers(**options)
        actions.add_parser = partial(self._add_command, actions.add_parser)
        return actions

    def _add_command(self, add: Callable[..., argparse.ArgumentParser], name: str, **options: Any) -> Any:  # noqa: ANN401
        text = options.get("help") or ""
        parser = add(name, **{"description": f"{text[:1].upper()}{text[1:]}.", **options})
        config = self._option_string_actions.get("--config")
        if config is not None:
            own: dict[str, Any] = {"type": config.type, "metavar": config.metavar, "help": config.help}
            parser.add_argument("--config", default=argparse.SUPPRESS, **own)
        return parser


def parse_time(text: str) -> datetime:
    """Read the time of an argument, RFC 3339 with its zone. Raises ArgumentTypeError."""
    try:
        parsed = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; write it as 2026-11-21T16:00:00Z") from None
    if parsed.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r}: give the time zone, such as 2026-11-21T16:00:00Z")
    return parsed.astimezone(UTC)
