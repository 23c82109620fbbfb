"""The notification policy: route, deduplicate, inhibit, silence; each stage gives a reason that is stored. Pure.

The decision store holds one policy for the workers; `piekwacht alerts route` makes one. Raises SettingsError if the
polygon or the hours of a route cannot be read. A rule whose matchers cannot be evaluated is set aside: the policy
decides as if the rule did not exist, and names it in `set_aside`.
"""

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from copy import copy
from datetime import datetime
from enum import StrEnum
from hashlib import sha256
from typing import Self

from msgspec import Struct, json

from alerting.alert import Alert, Change
from alerting.decide.dedup import NO_EARLIER_REVISIONS, EarlierRevisions, LastNotified, decide_end, deduplicate
from alerting.decide.escalation import UnacknowledgedAlert, decide_reminders, iter_delays
from alerting.decide.inhibition import KnownSource, inhibit
from alerting.decide.matcher import MatcherIndex
from alerting.decide.on_call import Roster, Rosters
from alerting.decide.routing import Decision, DecisionReason, Route, prepare_route, route_alert
from alerting.decide.silence import Silence, apply_silence, find_silence_reason, index_silences
from alerting.vocabulary import LOCAL_TIMEZONE


class RuleKind(StrEnum):
    """The rules with matchers; also a metric's label."""

    ROUTE = "route"
    KNOWN_SOURCE = "known_source"
    SILENCE = "silence"


class SetAsideRule(Struct, frozen=True, kw_only=True):
    """A rule that is not applied because its matchers cannot be evaluated, and why."""

    kind: RuleKind
    name: str
    reason: str


class NotificationPolicy:
    """Routes, known sources, rosters and silences. `version` hashes the configuration; each decision stores it."""

    def __init__(
        self,
        routes: Sequence[Route],
        sources: Sequence[KnownSource] = (),
        silences: Sequence[Silence] = (),
        rosters: Sequence[Roster] = (),
        network_receiver: str | None = None,
    ) -> None:
        """`network_receiver`: the only receiver of network alerts.

        `uses_levels`: whether a route has levels as a condition. `min_delay_minutes`: the earliest that any route
        reminds or escalates; None if no route does.
        """
        self.network_receiver = network_receiver
        self.routes = MatcherIndex([(prepare_route(route), route.match) for route in routes])
        self.min_delay_minutes = min((minutes for route in routes for minutes in iter_delays(route)), default=None)
        self.uses_levels = any(route.at_or_above for route in routes)
        self.rosters = Rosters(rosters)
        self.sources = _index_sources(sources)
        self.silences = index_silences(silences)
        self.version = sha256(json.encode([list(routes), list(sources), list(rosters)], enc_hook=str)).hexdigest()[:12]

    def with_changes(self, silences: Sequence[Silence], sources: Sequence[KnownSource]) -> Self:
        """Return the same policy with other silences and sources; routes are not parsed again."""
        policy = copy(self)
        policy.silences, policy.sources = index_silences(silences), _index_sources(sources)
        return policy

    @property
    def set_aside(self) -> tuple[SetAsideRule, ...]:
        """The rules that are not applied, with the reasons."""
        routes = [(RuleKind.ROUTE, prepared.route.receiver, reason) for prepared, reason in self.routes.set_aside]
        sources = [(RuleKind.KNOWN_SOURCE, source.name, reason) for source, reason in self.sources.set_aside]
        silences = [(RuleKind.SILENCE, str(silence.id), reason) for silence, reason in self.silences.set_aside]
        return tuple(
            SetAsideRule(kind=kind, name=name, reason=reason) for kind, name, reason in [*routes, *sources, *silences]
        )

    def decide(
        self,
        alert: Alert,
        last_notified: Mapping[str, LastNotified],
        now: datetime,
        *,
        calm: bool = True,
        earlier: EarlierRevisions = NO_EARLIER_REVISIONS,
        levels: AbstractSet[str] = frozenset(),
    ) -> list[Decision]:
        """Return one decision per receiver; for an end, receivers that were notified of the event come first.

        `last_notified`: receiver -> its last severity for the event's plume. `calm`: no event of the plume is open.
        A receiver that was notified of an event is notified of its end and its correction, whatever routes or
        silences changed since. `earlier`: if the end has a higher severity than any earlier revision, receivers with
        that threshold are notified now. An event that was over when it was detected goes into the digest.
        `levels`: ids of published levels that the means at the station are at or above.
        """
        if alert.firing:
            return self._decide_stages(alert, last_notified, now, earlier, levels)
        ends = {
            name: decide_end(alert, name, last, calm=calm, has_changed=earlier.has_changed)
            for name, last in last_notified.items()
        }
        if ends and not earlier.rose_at_end and not earlier.is_found_over:
            return list(ends.values())
        ends_of_event = {name: decision for name, decision in ends.items() if last_notified[name].of_this_event}
        decisions = self._decide_stages(alert, last_notified, now, earlier, levels)
        return [*ends_of_event.values(), *(d for d in decisions if d.receiver not in ends_of_event)]

    def _decide_stages(
        self,
        alert: Alert,
        last_notified: Mapping[str, LastNotified],
        now: datetime,
        earlier: EarlierRevisions,
        levels: AbstractSet[str],
    ) -> list[Decision]:
        """Route, deduplicate, inhibit, silence."""
        decisions = self._route(alert, now, earlier, levels)
        if last_notified or not alert.firing:
            decisions = [
                deduplicate(alert, decision, last_notified.get(decision.receiver), rose_at_end=earlier.rose_at_end)
                for decision in decisions
            ]
        sources = list(self.sources.find_matching(alert.labels))
        if sources:
            today = now.astimezone(LOCAL_TIMEZONE).date()  # a legal basis ends with its legal day
            decisions = [inhibit(alert, decision, sources, today) for decision in decisions]
        silence_reason = self._find_silence_reason(alert, now)
        return [apply_silence(decision, silence_reason) for decision in decisions] if silence_reason else decisions

    def _find_silence_reason(self, alert: Alert, now: datetime) -> tuple[DecisionReason, str] | None:
        return find_silence_reason(self.silences.find_matching(alert.labels), now)

    def _route(
        self, alert: Alert, now: datetime, earlier: EarlierRevisions, levels: AbstractSet[str]
    ) -> list[Decision]:
        if alert.is_about_network:
            return self._decide_network_alert(now)
        return route_alert(alert, self.routes, self.rosters, now, is_found_over=earlier.is_found_over, levels=levels)

    def _decide_network_alert(self, now: datetime) -> list[Decision]:
        if self.network_receiver is None:
            return [Decision(receiver="", notify=False, reason=DecisionReason.NO_ROUTE)]
        return [
            Decision(
                receiver=self.rosters.resolve(self.network_receiver, now), notify=True, reason=DecisionReason.ROUTED
            )
        ]

    def passes_silences(self, alert: Alert, decision: Decision, now: datetime) -> bool:
        """Return whether no silence suppresses this notification of an open event."""
        return apply_silence(decision, self._find_silence_reason(alert, now)).notify

    def decide_reminders(self, alert: Alert, pending: UnacknowledgedAlert, now: datetime) -> list[Decision]:
        """Return the reminders and escalations that are due; a silence suppresses those too."""
        if alert.change in {Change.ENDED, Change.VOIDED}:
            return []
        matching_routes = (prepared.route for prepared in self.routes.find_matching(alert.labels))
        routes = [route for route in matching_routes if self.rosters.can_lead_to(route.receiver, pending.receiver)]
        silence_reason = self._find_silence_reason(alert, now)
        reminders = decide_reminders(pending, routes, self.rosters, now)
        decisions = [apply_silence(decision, silence_reason) for decision in reminders]
        return [decision for decision in decisions if decision.notify]


def _index_sources(sources: Sequence[KnownSource]) -> MatcherIndex[KnownSource]:
    return MatcherIndex([(source, source.match) for source in sources])
