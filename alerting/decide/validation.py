"""Rules that cannot work are refused before anybody relies on them, with path and nearest valid name. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from alerting.decide.inhibition import KnownSource
from alerting.decide.matcher import Matcher
from alerting.decide.on_call import Roster
from alerting.decide.routing import Route, prepared
from alerting.errors import SettingsError

_MANY = {"site"}  # labels of which one alert has several values


def check_names(receivers: Sequence[str], rosters: Sequence[Roster], routes: Sequence[Route]) -> None:
    """Every name leads to somebody, and no name to two."""
    names = [*receivers, *(roster.name for roster in rosters)]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise SettingsError(f"two receivers or rosters have one name: {', '.join(twice)}")
    for number, roster in enumerate(rosters):
        for member in sorted(roster.members):
            known(f"roster[{number}]", member, receivers)
    for number, route in enumerate(routes):
        known(f"route[{number}].receiver", route.receiver, names)
        if route.escalate_to is not None:
            known(f"route[{number}].escalate_to", route.escalate_to, names)


def check_rules(routes: Sequence[Route], sources: Sequence[KnownSource]) -> None:
    """Every matcher, polygon and time can be read and can fit something."""
    for number, source in enumerate(sources):
        _matchers(f"known_source[{number}].match", source.match)
    for number, route in enumerate(routes):
        _possible(f"route[{number}]", route, _matchers(f"route[{number}].match", route.match))
        try:
            prepared(route)
        except SettingsError as error:
            raise SettingsError(f"alerting.route[{number}]: {error}") from None
        for before, other in enumerate(routes[:number]):
            if _takes_all_of(other, route):
                raise SettingsError(
                    f"alerting.route[{number}]: never reached, route[{before}] takes all of it; "
                    "give that one go_on = true or put this one before it"
                )


def check_values(
    routes: Sequence[Route], sources: Sequence[KnownSource], there_are: Mapping[str, AbstractSet[str]]
) -> Iterable[str]:
    """What matchers ask for that does not exist, a sentence each; `there_are`: label -> its values in the registry."""
    asked = [(f"route[{n}].match", text) for n, one in enumerate(routes) for text in one.match]
    asked += [(f"known_source[{n}].match", text) for n, one in enumerate(sources) for text in one.match]
    for path, text in asked:
        matcher = Matcher.parse(text)
        values = there_are.get(matcher.label)
        if values is None or any(matcher.matches({matcher.label: value}) for value in values):
            continue
        near = nearest(matcher.value, values)
        remedy = f"the nearest is {near!r}" if near else f"there is no {matcher.label} yet"
        yield f"alerting.{path}: {text} fits no {matcher.label}; {remedy}"


def known(path: str, name: str, names: Sequence[str], what: str = "receiver") -> None:
    """Raise SettingsError where the name is none of `names`."""
    if name not in names:
        near = nearest(name, names)
        remedy = f"the nearest {what} is {near!r}" if near else f"there are no {what}s"
        raise SettingsError(f"alerting.{path}: no {what} {name!r}; {remedy}")


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The valid name that looks most like this one."""
    return next(iter(get_close_matches(name, sorted(names), n=1, cutoff=0)), None)


def _matchers(path: str, texts: Sequence[str]) -> list[Matcher]:
    try:
        return [Matcher.parse(text) for text in texts]
    except SettingsError as error:
        raise SettingsError(f"alerting.{path}: {error}") from None


def _possible(path: str, route: Route, matchers: Sequence[Matcher]) -> None:
    """Refuse matchers that exclude each other, and a severity below the least one."""
    if route.inside is not None and route.inside_file is not None:
        raise SettingsError(f"alerting.{path}: give `inside` or `inside_file`, not both")
    for one in matchers:
        if one.operator != "=" or one.label in _MANY:
            continue
        wrong = next((m for m in matchers if m.label == one.label and not m.matches({one.label: one.value})), None)
        if wrong is not None:
            raise SettingsError(f"alerting.{path}: never reached, nothing is {one} and {wrong}")
    levels = [m for m in matchers if m.label == "severity"]
    taken = [s for s in type(route.least_severity) if s.rank >= route.least_severity.rank]
    if levels and not any(all(m.matches({"severity": s.value}) for m in levels) for s in taken):
        raise SettingsError(f"alerting.{path}: never reached, least_severity excludes what it matches")


def _takes_all_of(other: Route, route: Route) -> bool:
    """Whether nothing gets past `other` to `route`: it has the same conditions or fewer, and no `go_on`."""
    return (
        not other.go_on
        and set(other.match) <= set(route.match)
        and other.least_severity.rank <= route.least_severity.rank
        and (not other.hours or other.hours == route.hours)
        and (other.inside is None or other.inside == route.inside)
        and (other.inside_file is None or other.inside_file == route.inside_file)
    )
