"""Jinja templates of mails and pages: HTML is escaped, and a variable that is not passed raises an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def load_templates(*folders: Path) -> Environment:
    """Return the templates of these folders, the first with a name counts; a line with only a tag leaves no line."""
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
