"""The stages an alert goes through before anything is sent, each with a reason that is kept. Pure."""

from collections.abc import Mapping, Sequence
from copy import copy
from datetime import datetime
from hashlib import sha256
from typing import Self

from msgspec import json

from alerting.alert import Alert, Change
from alerting.decide.dedup import LastNotified, decide_end, deduplicate
from alerting.decide.escalation import UnacknowledgedAlert, decide_reminders, iter_delays
from alerting.decide.inhibition import KnownSource, inhibit
from alerting.decide.matcher import MatcherIndex
from alerting.decide.on_call import Roster, Rosters
from alerting.decide.routing import Decision, DecisionReason, Route, prepare_route, route_alert
from alerting.decide.silence import Silence, apply_silence, find_silence_reason


class NotificationPolicy:
    """All that decides who is told. `version` is a hash of it, kept with every decision."""

    def __init__(
        self,
        routes: Sequence[Route],
        sources: Sequence[KnownSource] = (),
        silences: Sequence[Silence] = (),
        rosters: Sequence[Roster] = (),
        network_receiver: str | None = None,
    ) -> None:
        """`keeper` looks after the network: what is silent goes there and nowhere else.

        `patience`: minutes before which nobody is reminded and nothing escalates; None: that never happens.
        """
        self.network_receiver = network_receiver
        self.routes = MatcherIndex([(prepare_route(route), route.match) for route in routes])
        self.min_delay_minutes = min((minutes for route in routes for minutes in iter_delays(route)), default=None)
        self.rosters = Rosters(rosters)
        self.sources = MatcherIndex([(source, source.match) for source in sources])
        self.silences = _index_silences(silences)
        self.version = sha256(json.encode([list(routes), list(sources), list(rosters)], enc_hook=str)).hexdigest()[:12]

    def with_silences(self, silences: Sequence[Silence]) -> Self:
        """The same rules with other silences; routes and sources are not read again."""
        policy = copy(self)
        policy.silences = _index_silences(silences)
        return policy

    def decide(
        self,
        alert: Alert,
        last_notified: Mapping[str, LastNotified],
        now: datetime,
        *,
        calm: bool = True,
        rose_at_end: bool = False,
    ) -> list[Decision]:
        """Route, dedup, inhibit, silence.

        `told`: receiver -> what it knows of the plume the event belongs to; `calm`: nothing of that goes on.
        Whoever was told of an event is told of its end and of its correction, whatever a rule says meanwhile. `rose`:
        only with its end is it as bad as this; then whoever waits for what is so bad hears of it for the first time.
        """
        end_decisions = (
            {}
            if alert.firing
            else {name: decide_end(alert, name, last, calm=calm) for name, last in last_notified.items()}
        )
        if end_decisions and not rose_at_end:
            return list(end_decisions.values())
        routed = (
            self._decide_network_alert(now)
            if alert.is_about_network
            else route_alert(alert, self.routes, self.rosters, now)
        )
        sources, silence_reason = list(self.sources.find_matching(alert.labels)), self._find_silence_reason(alert, now)
        decisions = routed
        if last_notified or not alert.firing:
            decisions = [
                deduplicate(alert, decision, last_notified.get(decision.receiver), rose_at_end=rose_at_end)
                for decision in routed
            ]
        if sources:
            decisions = [inhibit(alert, decision, sources, now.date()) for decision in decisions]
        decisions = [apply_silence(decision, silence_reason) for decision in decisions] if silence_reason else decisions
        ends_of_event = {
            name: decision for name, decision in end_decisions.items() if last_notified[name].of_this_event
        }
        return [
            *ends_of_event.values(),
            *(decision for decision in decisions if decision.receiver not in ends_of_event),
        ]

    def _find_silence_reason(self, alert: Alert, now: datetime) -> tuple[DecisionReason, str] | None:
        return find_silence_reason(self.silences.find_matching(alert.labels), now)

    def _decide_network_alert(self, now: datetime) -> list[Decision]:
        if self.network_receiver is None:
            return [Decision(receiver="", notify=False, reason=DecisionReason.NO_ROUTE)]
        return [
            Decision(
                receiver=self.rosters.resolve(self.network_receiver, now), notify=True, reason=DecisionReason.ROUTED
            )
        ]

    def passes_silences(self, alert: Alert, decision: Decision, now: datetime) -> bool:
        """Whether no silence withholds what is told of an event that goes on."""
        return apply_silence(decision, self._find_silence_reason(alert, now)).notify

    def decide_reminders(self, alert: Alert, pending: UnacknowledgedAlert, now: datetime) -> list[Decision]:
        """What to tell now because nobody answered; a silence holds for reminders too."""
        if alert.change in {Change.ENDED, Change.VOIDED}:
            return []
        matching_routes = (way.route for way in self.routes.find_matching(alert.labels))
        routes = [route for route in matching_routes if self.rosters.can_lead_to(route.receiver, pending.receiver)]
        silence_reason = self._find_silence_reason(alert, now)
        return [
            decision
            for decision in (
                apply_silence(v, silence_reason) for v in decide_reminders(pending, routes, self.rosters, now)
            )
            if decision.notify
        ]


def _index_silences(silences: Sequence[Silence]) -> MatcherIndex[Silence]:
    return MatcherIndex([(silence, silence.match) for silence in silences])
