"""The stages an alert goes through before anything is sent, each with a reason that is kept. Pure."""

from collections.abc import Mapping, Sequence

from alerting.alert import Alert
from alerting.dedup import Told, needs_telling
from alerting.routing import Route, Verdict, route


def decide(alert: Alert, routes: Sequence[Route], told: Mapping[str, Told]) -> list[Verdict]:
    """Route, then drop what a receiver knows already. `told`: receiver -> the worst it was told of this event."""
    return [needs_telling(alert, verdict, told.get(verdict.receiver)) for verdict in route(alert, routes)]
