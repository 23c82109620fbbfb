"""Texts about alerts on the inspector pages, in the page's language; its templates use them as `case_texts`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from alerting.message.texts import build_headline
from alerting.record.cases import Case
from alerting.record.history import (
    AnyStep,
    DecisionStep,
    DeliveryStep,
    channel_name,
    describe_step,
    describe_step_details,
)
from alerting.record.plume_cases import PlumeCase
from alerting.vocabulary import compass_direction
from alerting.vocabulary import texts_of as alerting_texts_of
from gateway.api.inspector.inbox import WIND_SECTORS
from gateway.api.pages.renderer import View
from gateway.model.texts import texts_of

_EQUALITY_MATCHER = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class CaseTexts:
    """The texts for one page."""

    view: View

    def headline(self, case: Case | PlumeCase) -> str:
        """The alert in one line."""
        return build_headline(case.alert, self.view.language)

    def sentence(self, case: Case | PlumeCase) -> str:
        """The detector's sentence; empty for alerts about the network, whose headline is enough."""
        return "" if case.alert.is_about_network else case.alert.sentence.get(self.view.language, "")

    def direction(self, name: str) -> str:
        """A compass direction by its English letters, such as `sw`."""
        return compass_direction(WIND_SECTORS[name], self.view.language)

    def cause(self, cause: str) -> str:
        """The cause of a false alarm."""
        return alerting_texts_of("false_alarm", self.view.language).describe(cause)

    def step(self, step: AnyStep) -> str:
        """One step of the history in one sentence."""
        return describe_step(step, self.view.language)

    def step_details(self, step: AnyStep) -> str:
        """The codes and hashes of a step."""
        return describe_step_details(step, self.view.language)

    def first_delivery(self, case: Case | PlumeCase, receiver: str) -> str:
        """Channel and time of the first delivery to a receiver, and whether all addressees got it; empty without."""
        for step in case.steps:
            if (
                isinstance(step, DeliveryStep)
                and step.receiver == receiver
                and step.outcome in {"delivered", "partial"}
            ):
                partly = f", {self.view.texts['partial']}" if step.outcome == "partial" else ""
                return f"{channel_name(step.channel)} {self.view.time_of_day(step.at.isoformat())}{partly}"
        return ""

    def reason_not_notified(self, case: Case | PlumeCase) -> str:
        """The last decision against a notification in one sentence; empty without one."""
        decisions = [step for step in case.steps if isinstance(step, DecisionStep) and not step.told]
        return self.step(decisions[-1]) if decisions else ""

    def matchers(self, match: Sequence[str]) -> str:
        """Matchers as text; those that are no equality as they are written."""
        return ", ".join(
            _EQUALITY_MATCHER.sub(lambda matcher: self._describe_matcher(matcher[1], matcher[2]), text)
            for text in match
        )

    def _describe_matcher(self, label: str, value: str) -> str:
        registry = self.view.latest_values.registry
        label_text = texts_of("inspector", self.view.language).get(f"label_{label}") or label
        if label == "area" and value in registry.areas:
            value = registry.areas[value].name
        elif label == "station" and value in registry.stations:
            value = registry.stations[value].name
        elif label == "property":
            value = self.view.name_of(value)
        return f"{label_text} {value}"
