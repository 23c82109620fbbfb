"""Checks of routes, rosters and known sources at start-up, with path and nearest valid name in the error. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from difflib import get_close_matches

from alerting.decide.inhibition import KnownSource
from alerting.decide.matcher import Matcher, MatcherIndex
from alerting.decide.on_call import Roster
from alerting.decide.routing import Route, prepare_route
from alerting.errors import SettingsError

_MULTIVALUED_LABELS = {"site"}  # labels of which one alert has several values


def check_names(receivers: Sequence[str], rosters: Sequence[Roster], routes: Sequence[Route]) -> None:
    """Raise SettingsError if a name is unknown or used twice."""
    names = [*receivers, *(roster.name for roster in rosters)]
    duplicates = sorted({name for name in names if names.count(name) > 1})
    if duplicates:
        raise SettingsError(f"two receivers or rosters have one name: {', '.join(duplicates)}")
    for number, roster in enumerate(rosters):
        for member in sorted(roster.members):
            check_known(f"roster[{number}]", member, receivers)
    for number, route in enumerate(routes):
        check_known(f"route[{number}].receiver", route.receiver, names)
        if route.escalate_to is not None:
            check_known(f"route[{number}].escalate_to", route.escalate_to, names)


def check_conditions(routes: Sequence[Route], sources: Sequence[KnownSource]) -> None:
    """Raise SettingsError if a matcher, polygon or time cannot be read, or a route can never apply."""
    _check_total("known_source", [source.match for source in sources])
    _check_total("route", [route.match for route in routes])
    for number, route in enumerate(routes):
        _check_satisfiable(f"route[{number}]", route, _parse_matchers(f"route[{number}].match", route.match))
        try:
            prepare_route(route)
        except SettingsError as error:
            raise SettingsError(f"alerting.route[{number}]: {error}") from None
        for index, other in enumerate(routes[:number]):
            if _covers(other, route):
                raise SettingsError(
                    f"alerting.route[{number}]: never reached, route[{index}] matches all that it matches; "
                    "give that one go_on = true or put this one before it"
                )


def find_unknown_values(
    routes: Sequence[Route], sources: Sequence[KnownSource], registry_values: Mapping[str, AbstractSet[str]]
) -> Iterable[str]:
    """Yield a sentence per matcher that no value matches; `registry_values`: label -> its values in the registry."""
    conditions = [(f"route[{n}].match", text) for n, route in enumerate(routes) for text in route.match]
    conditions += [(f"known_source[{n}].match", text) for n, source in enumerate(sources) for text in source.match]
    for path, text in conditions:
        matcher = Matcher.parse(text)
        values = registry_values.get(matcher.label)
        if values is None or any(matcher.matches({matcher.label: value}) for value in values):
            continue
        nearest_value = find_nearest(matcher.value, values)
        remedy = f"the nearest is {nearest_value!r}" if nearest_value else f"there is no {matcher.label} yet"
        yield f"alerting.{path}: {text} matches no {matcher.label}; {remedy}"


def check_known(path: str, name: str, names: Sequence[str], noun: str = "receiver") -> None:
    """Raise SettingsError if the name is none of `names`."""
    if name not in names:
        nearest_name = find_nearest(name, names)
        remedy = f"the nearest {noun} is {nearest_name!r}" if nearest_name else f"there are no {noun}s"
        raise SettingsError(f"alerting.{path}: no {noun} {name!r}; {remedy}")


def find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Return the valid name that is most similar, or None without names."""
    return next(iter(get_close_matches(name, sorted(names), n=1, cutoff=0)), None)


def _parse_matchers(path: str, texts: Sequence[str]) -> list[Matcher]:
    try:
        return [Matcher.parse(text) for text in texts]
    except SettingsError as error:
        raise SettingsError(f"alerting.{path}: {error}") from None


def _check_total(path: str, matchers: Sequence[Sequence[str]]) -> None:
    """Raise SettingsError for the first rule that would be set aside."""
    for number, reason in MatcherIndex(list(enumerate(matchers))).set_aside:
        raise SettingsError(f"alerting.{path}[{number}].match: {reason}")


def _check_satisfiable(path: str, route: Route, matchers: Sequence[Matcher]) -> None:
    """Raise SettingsError if matchers exclude each other, or match only severities below the least one."""
    if route.inside is not None and route.inside_file is not None:
        raise SettingsError(f"alerting.{path}: give `inside` or `inside_file`, not both")
    for matcher in matchers:
        if matcher.operator != "=" or matcher.label in _MULTIVALUED_LABELS:
            continue
        conflict = next(
            (m for m in matchers if m.label == matcher.label and not m.matches({matcher.label: matcher.value})), None
        )
        if conflict is not None:
            raise SettingsError(f"alerting.{path}: never reached, nothing is {matcher} and {conflict}")
    severity_matchers = [m for m in matchers if m.label == "severity"]
    accepted = [s for s in type(route.least_severity) if s.rank >= route.least_severity.rank]
    if not any(all(m.matches({"severity": s.value}) for m in severity_matchers) for s in accepted):
        raise SettingsError(f"alerting.{path}: never reached, least_severity excludes what it matches")


def _covers(other: Route, route: Route) -> bool:
    """Return whether `other` takes every alert of `route`: the same conditions or fewer, and no `go_on`."""
    return (
        not other.go_on
        and set(other.match) <= set(route.match)
        and other.least_severity.rank <= route.least_severity.rank
        and (not other.at_or_above or bool(route.at_or_above and set(route.at_or_above) <= set(other.at_or_above)))
        and (not other.hours or other.hours == route.hours)
        and (other.inside is None or other.inside == route.inside)
        and (other.inside_file is None or other.inside_file == route.inside_file)
    )
