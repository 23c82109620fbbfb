"""The stages an alert goes through before anything is sent, each with a reason that is kept. Pure."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256

from msgspec import json

from alerting.alert import Alert, Change
from alerting.dedup import Told, needs_telling
from alerting.escalation import Watched, due
from alerting.inhibition import KnownSource, inhibited
from alerting.matcher import Matching
from alerting.routing import Reason, Route, Verdict, route
from alerting.silence import Silence, silenced


class Rules:
    """All that decides who is told. `version` is a hash of it, kept with every decision."""

    def __init__(
        self, routes: Sequence[Route], sources: Sequence[KnownSource] = (), silences: Sequence[Silence] = ()
    ) -> None:
        self.routes = Matching([(one, one.match) for one in routes])
        self.sources = Matching([(one, one.match) for one in sources])
        self.silences = Matching([(one, one.match) for one in silences])
        self.version = sha256(json.encode([list(routes), list(sources)])).hexdigest()[:12]

    def decide(self, alert: Alert, told: Mapping[str, Told], now: datetime) -> list[Verdict]:
        """Route, dedup, inhibit, silence. `told`: receiver -> the worst it was told of this event.

        Whoever was told of an event is told of its end and of its correction, whatever a rule says meanwhile.
        """
        if not alert.firing and told:
            return [Verdict(receiver=name, told=True, reason=Reason.ROUTED) for name in told]
        verdicts = [needs_telling(alert, one, told.get(one.receiver)) for one in route(alert, self.routes)]
        verdicts = [inhibited(alert, one, self.sources.fitting(alert.labels), now.date()) for one in verdicts]
        return [silenced(one, self.silences.fitting(alert.labels), now) for one in verdicts]

    def remind(self, alert: Alert, watched: Watched, now: datetime) -> list[Verdict]:
        """What to tell now because nobody answered; a silence holds for reminders too."""
        if alert.change in {Change.ENDED, Change.VOIDED}:
            return []
        routes = [one for one in self.routes.fitting(alert.labels) if one.receiver == watched.receiver]
        fitting = list(self.silences.fitting(alert.labels))
        return [one for one in (silenced(v, fitting, now) for v in due(watched, routes, now)) if one.told]
