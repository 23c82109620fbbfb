"""Matchers on an alert's labels, written as in Alertmanager: `area="ijmond"`, `severity=~"severe|extreme"`."""

import re
from collections.abc import Mapping
from typing import Self

from msgspec import Struct

from alerting.errors import SettingsError

_FORM = re.compile(r'\s*(?P<label>[a-z_]+)\s*(?P<operator>=~|!~|!=|=)\s*"(?P<value>[^"]*)"\s*')
LABELS = ("area", "station", "property", "severity", "kind", "late")


class Matcher(Struct, frozen=True, kw_only=True):
    """One condition; a regular expression must fit the whole value."""

    label: str
    operator: str
    value: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read one matcher, or SettingsError with what is wrong."""
        match = _FORM.fullmatch(text)
        if match is None:
            raise SettingsError(f'matcher {text!r}: write label="value", with =, !=, =~ or !~')
        if match["label"] not in LABELS:
            raise SettingsError(f"matcher {text!r}: no label {match['label']!r}; there are {', '.join(LABELS)}")
        if match["operator"] in {"=~", "!~"}:
            try:
                re.compile(match["value"])
            except re.error as error:
                raise SettingsError(f"matcher {text!r}: {error}") from None
        return cls(label=match["label"], operator=match["operator"], value=match["value"])

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether the labels fulfil it; a label that is not there counts as empty."""
        found = labels.get(self.label, "")
        equal = re.fullmatch(self.value, found) is not None if "~" in self.operator else found == self.value
        return equal != self.operator.startswith("!")
