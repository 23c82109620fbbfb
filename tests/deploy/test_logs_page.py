"""docs/operator/logs.md lists every logger and every logged event of the code."""

import ast
import re

import pytest

from tests.deploy.conftest import ROOT

PAGE = (ROOT / "docs/operator/logs.md").read_text()
LEVELS = {"debug", "info", "warning", "error", "exception"}
CHANGES = ("opened", "updated", "ended", "voided")


def section(title):
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def modules():
    for package in ("gateway", "alerting"):
        for path in sorted((ROOT / package).rglob("*.py")):
            yield ast.parse(path.read_text())


def calls():
    """(name of the function or method, its first argument) of every call in the packages."""
    for module in modules():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and node.args:
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                logger = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else ""
                yield name, logger, node.args[0]


def event_texts(argument):
    """The texts that an expression can have: a constant, one of two, or `event` with a change."""
    if isinstance(argument, ast.IfExp):
        yield from event_texts(argument.body)
        yield from event_texts(argument.orelse)
    elif isinstance(argument, ast.Constant):
        yield argument.value
    elif isinstance(argument, ast.JoinedStr):
        assert ast.unparse(argument) == "f'event {event.change.value}'"
        yield from (f"event {change}" for change in CHANGES)
    else:
        assert ast.unparse(argument) == "str(finding)", "an event in fixed words, with ids as keys"


def test_the_loggers_are_those_of_the_code():
    named = {
        argument.value
        for name, _, argument in calls()
        if name in {"get_logger", "getLogger"} and isinstance(argument, ast.Constant)
    }
    assert set(re.findall(r"^\| `([\w.]+)`", section("Loggers"), re.MULTILINE)) == named


def test_the_events_are_those_of_the_code():
    logged = {
        text.replace("`", "")
        for name, logger, argument in calls()
        if name in LEVELS and logger in {"_LOG", "log"}
        for text in event_texts(argument)
    }
    rows = re.findall(r"^\| (`[^|]*) \| (?:debug|info|warning|error) \|", section("Events"), re.MULTILINE)
    assert {event for row in rows for event in re.findall(r"`([^`]+)`", row)} == logged


@pytest.mark.parametrize("key", re.findall(r"`(\w+)`", re.sub(r"\|[^|]*\|\n", "|\n", section("Ids"))))
def test_every_id_is_a_key_of_an_event(key):
    assert key in section("Events")
