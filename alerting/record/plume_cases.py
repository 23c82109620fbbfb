"""The cases of one plume as one case: an inspector answers a plume, not each property at each station. Pure."""

from collections.abc import Iterable

from msgspec import Struct

from alerting.alert import Alert
from alerting.plume import event_of_alert, rank_event
from alerting.record.cases import Case
from alerting.record.history import AcknowledgementStep, AnyStep


class PlumeCase(Struct, frozen=True, kw_only=True):
    """The cases of one plume in the order of their rank, the leading one first; there is at least one.

    It has the properties of a case: those of the leading one, and the answers and receivers of all.
    """

    cases: tuple[Case, ...]

    @property
    def alert(self) -> Alert:
        """The newest alert of the leading event."""
        return self.cases[0].alert

    @property
    def is_ongoing(self) -> bool:
        """Whether one of the events is open."""
        return any(case.is_ongoing for case in self.cases)

    @property
    def steps(self) -> tuple[AnyStep, ...]:
        """Every step about one of the events, in order of time."""
        return tuple(sorted((step for case in self.cases for step in case.steps), key=lambda step: step.at))

    @property
    def acknowledgements(self) -> tuple[AcknowledgementStep, ...]:
        """The acknowledgements of any of the events: each holds for the whole plume."""
        # one acknowledgement of the plume is stored for each of its events
        return tuple(dict.fromkeys(step for step in self.steps if isinstance(step, AcknowledgementStep)))

    @property
    def notified_receivers(self) -> tuple[str, ...]:
        """Receivers that were notified of any of the events, each once."""
        return tuple(dict.fromkeys(receiver for case in self.cases for receiver in case.notified_receivers))

    @property
    def station_count(self) -> int:
        """How many stations the plume reached."""
        return len({case.alert.station for case in self.cases})


def group_cases(cases: Iterable[Case]) -> list[PlumeCase]:
    """Group cases by their plume, in the order of the first case of each; a case without a plume is alone."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.alert.plume or f"event {case.alert.event_id}", []).append(case)
    return [PlumeCase(cases=tuple(sorted(group, key=_rank))) for group in groups.values()]


def _rank(case: Case) -> tuple[object, ...]:
    return rank_event(event_of_alert(case.alert))
