"""Every command of `piekwacht` and `piekwacht-agent` describes itself and each of its arguments."""

import argparse

import pytest

from edge_agent.__main__ import build_parser as build_agent_parser
from edge_agent.command_line import CommandParser
from gateway.__main__ import build_parser


def iterate_parsers(parser):
    """Yield the parser and those of its actions, at any depth."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for subparser in action.choices.values():
                yield from iterate_parsers(subparser)


PARSERS = {parser.prog: parser for build in (build_parser, build_agent_parser) for parser in iterate_parsers(build())}


@pytest.mark.parametrize("name", PARSERS)
def test_a_command_describes_itself_and_each_argument(name):
    parser = PARSERS[name]
    assert parser.description
    assert parser.description.endswith(".")
    for action in parser._actions:
        if not isinstance(action, argparse._SubParsersAction):
            assert action.help, f"{name} {action.option_strings or action.dest}"


TIMES = [
    (name, action)
    for name, parser in PARSERS.items()
    for action in parser._actions
    if action.metavar == "TIME" or (action.help or "").startswith("RFC 3339")
]


@pytest.mark.parametrize(("name", "action"), TIMES, ids=lambda value: getattr(value, "dest", value))
@pytest.mark.parametrize("text", ["2026-11-21T16:00:00", "2026-11-21", "yesterday"])
def test_a_time_without_its_zone_is_refused(name, action, text):
    """One hour or two beside it, maintenance would flag other readings."""
    with pytest.raises(argparse.ArgumentTypeError, match="2026-11-21T"):
        action.type(text)
    assert action.type("2026-11-21T16:00+01:00").utcoffset() is not None


@pytest.mark.parametrize("name", PARSERS)
def test_an_action_takes_the_configuration_of_its_command(name):
    def accepts(parser):
        return "--config" in parser._option_string_actions

    subparsers = [action for action in PARSERS[name]._actions if isinstance(action, argparse._SubParsersAction)]
    if accepts(PARSERS[name]):
        for subparser in subparsers:
            assert all(map(accepts, subparser.choices.values()))


def test_the_configuration_stands_before_or_after_the_action_and_the_last_counts():
    parser = CommandParser()
    parser.add_argument("--config", default="piekwacht.toml")
    actions = parser.add_subparsers(required=True)
    actions.add_parser("list", help="print all").add_argument("--limit", type=int, default=2, help="how many")
    for words, config in (
        ("list", "piekwacht.toml"),
        ("--config a.toml list", "a.toml"),
        ("list --config b.toml", "b.toml"),
        ("--config a.toml list --config b.toml", "b.toml"),
    ):
        assert vars(parser.parse_args(words.split())) == {"config": config, "limit": 2}


LISTINGS = {"list", "show", "status", "silences", "history"}


@pytest.mark.parametrize("name", [name for name in PARSERS if name.rsplit(" ", 1)[-1] in LISTINGS])
def test_every_command_that_prints_data_has_a_json_option(name):
    assert "--json" in PARSERS[name]._option_string_actions
