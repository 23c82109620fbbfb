"""Jinja templates of mails and pages: HTML is escaped, and a variable that is not passed raises an error."""

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape


def load_templates(folder: Path) -> Environment:
    """Return the templates of `folder`; lines that hold only a tag leave no empty line."""
    return Environment(
        loader=FileSystemLoader(folder),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
