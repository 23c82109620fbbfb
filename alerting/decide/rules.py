"""The stages an alert goes through before anything is sent, each with a reason that is kept. Pure."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from hashlib import sha256
from typing import Self

from msgspec import json

from alerting.alert import Alert, Change
from alerting.decide.dedup import Told, needs_telling, over
from alerting.decide.escalation import Watched, due, waits
from alerting.decide.inhibition import KnownSource, inhibited
from alerting.decide.matcher import Matching
from alerting.decide.on_call import Roster, Rosters
from alerting.decide.routing import Reason, Route, Verdict, prepared, route
from alerting.decide.silence import Silence, silenced, silencing


class Rules:
    """All that decides who is told. `version` is a hash of it, kept with every decision."""

    def __init__(
        self,
        routes: Sequence[Route],
        sources: Sequence[KnownSource] = (),
        silences: Sequence[Silence] = (),
        rosters: Sequence[Roster] = (),
        keeper: str | None = None,
    ) -> None:
        """`keeper` looks after the network: what is silent goes there and nowhere else.

        `patience`: minutes before which nobody is reminded and nothing escalates; None: that never happens.
        """
        self.keeper = keeper
        self.ways = Matching([(prepared(one), one.match) for one in routes])
        self.patience = min((minutes for one in routes for minutes in waits(one)), default=None)
        self.rosters = Rosters(rosters)
        self.sources = Matching([(one, one.match) for one in sources])
        self.silences = _filed(silences)
        self.version = sha256(json.encode([list(routes), list(sources), list(rosters)], enc_hook=str)).hexdigest()[:12]

    def with_silences(self, silences: Sequence[Silence]) -> Self:
        """The same rules with other silences; routes and sources are not read again."""
        other = copy(self)
        other.silences = _filed(silences)
        return other

    def decide(
        self, alert: Alert, told: Mapping[str, Told], now: datetime, *, calm: bool = True, rose: bool = False
    ) -> list[Verdict]:
        """Route, dedup, inhibit, silence.

        `told`: receiver -> what it knows of the plume the event belongs to; `calm`: nothing of that goes on.
        Whoever was told of an event is told of its end and of its correction, whatever a rule says meanwhile. `rose`:
        only with its end is it as bad as this; then whoever waits for what is so bad hears of it for the first time.
        """
        ends = {} if alert.firing else {name: over(alert, name, known, calm=calm) for name, known in told.items()}
        if ends and not rose:
            return list(ends.values())
        found = self._kept(now) if alert.quiet else route(alert, self.ways, self.rosters, now)
        sources, by = list(self.sources.fitting(alert.labels)), self._silencing(alert, now)
        verdicts = found
        if told or not alert.firing:
            verdicts = [needs_telling(alert, one, told.get(one.receiver), rose=rose) for one in found]
        if sources:
            verdicts = [inhibited(alert, one, sources, now.date()) for one in verdicts]
        verdicts = [silenced(one, by) for one in verdicts] if by else verdicts
        known = {name: verdict for name, verdict in ends.items() if told[name].this}
        return [*known.values(), *(one for one in verdicts if one.receiver not in known)]

    def _silencing(self, alert: Alert, now: datetime) -> tuple[Reason, str] | None:
        return silencing(self.silences.fitting(alert.labels), now)

    def _kept(self, now: datetime) -> list[Verdict]:
        if self.keeper is None:
            return [Verdict(receiver="", told=False, reason=Reason.NO_ROUTE)]
        return [Verdict(receiver=self.rosters.on_duty(self.keeper, now), told=True, reason=Reason.ROUTED)]

    def still_told(self, alert: Alert, verdict: Verdict, now: datetime) -> bool:
        """Whether no silence withholds what is told of an event that goes on."""
        return silenced(verdict, self._silencing(alert, now)).told

    def remind(self, alert: Alert, watched: Watched, now: datetime) -> list[Verdict]:
        """What to tell now because nobody answered; a silence holds for reminders too."""
        if alert.change in {Change.ENDED, Change.VOIDED}:
            return []
        fit = (way.route for way in self.ways.fitting(alert.labels))
        routes = [one for one in fit if self.rosters.leads_to(one.receiver, watched.receiver)]
        by = self._silencing(alert, now)
        return [one for one in (silenced(v, by) for v in due(watched, routes, self.rosters, now)) if one.told]


def _filed(silences: Sequence[Silence]) -> Matching[Silence]:
    return Matching([(one, one.match) for one in silences])
