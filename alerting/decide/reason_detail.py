"""A decision's or an attempt's particulars: kept as a code with its figures, put into words when they are read. Pure.

What is kept is one JSON object, `{"code":"on_duty","receiver":"piket"}`. Anything else is somebody else's text (what a
mail server answered, what an earlier version wrote) and is shown as it is.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

import msgspec

from alerting.vocabulary import SEVERITIES, Language, clock, plain, word


class Code(StrEnum):
    """What there is to tell beside the reason or the outcome."""

    ON_DUTY = "on_duty"  # receiver: the roster that led there
    FELL = "fell"  # was, now: severities
    HEARD = "heard"  # at: when the station last spoke
    SOURCE = "source"  # name, basis, owner, level, day
    UNANSWERED = "unanswered"  # receiver, at: who was told and when
    SILENCE = "silence"  # id, author, until, reason
    MAINTENANCE = "maintenance"  # the same
    UNCONFIGURED = "unconfigured"
    NO_ANSWER = "no_answer"  # host, error
    TOO_SLOW = "too_slow"  # seconds
    NO_CONNECTION = "no_connection"  # host, error
    PRIVATE = "private"  # host
    GONE = "gone"  # at: when it answered 410


_SAY: Mapping[Code, tuple[str, str]] = {
    Code.ON_DUTY: ("dienst volgens rooster {receiver}", "on duty for {receiver}"),
    Code.FELL: ("was {was}, is nu {now}", "was {was}, is {now}"),
    Code.HEARD: ("niets meer gehoord sinds {at}", "nothing heard since {at}"),
    Code.SOURCE: (
        "{name} ({basis}, {owner}), tot niveau {level}, geldig tot en met {day}",
        "{name} ({basis}, {owner}), up to {level}, until {day}",
    ),
    Code.UNANSWERED: (
        "{receiver} is ingelicht op {at} en niemand heeft geantwoord",
        "{receiver} was told at {at} and nobody acknowledged",
    ),
    Code.SILENCE: (
        "demping {id} door {author} tot {until}: {reason}",
        "silence {id} by {author} until {until}: {reason}",
    ),
    Code.MAINTENANCE: (
        "onderhoud {id} door {author} tot {until}: {reason}",
        "maintenance {id} by {author} until {until}: {reason}",
    ),
    Code.UNCONFIGURED: ("dit kanaal staat niet meer in de instellingen", "the channel is no longer configured"),
    Code.NO_ANSWER: ("{host}: geen antwoord ({error})", "{host}: no answer ({error})"),
    Code.TOO_SLOW: ("geen antwoord binnen {seconds} s", "no answer within {seconds} s"),
    Code.NO_CONNECTION: ("{host}: geen verbinding ({error})", "{host}: no connection ({error})"),
    Code.PRIVATE: ("{host} is geen openbaar adres", "{host} is no public address"),
    Code.GONE: ("uitgezet: antwoordde 410 (bestaat niet meer) op {at}", "disabled: it answered 410 at {at}"),
}
_MOMENTS = frozenset({"at", "until"})
_SEVERITIES = frozenset({"was", "now"})


def kept(code: Code, **figures: str | float | datetime) -> str:
    """The text that is stored: the code and its figures, moments in UTC."""
    bare = {name: _bare(figure) for name, figure in figures.items()}
    return json.dumps({"code": code.value, **bare}, ensure_ascii=False, separators=(",", ":"))


def worded(text: str, language: Language) -> str:
    """What was stored, in plain words; a text that is none of ours as it is."""
    try:
        found = msgspec.json.decode(text, type=dict[str, str | float | int])
        say = _SAY[Code(str(found.pop("code")))][0 if language == "nl" else 1]
        return say.format(**{name: _shown(name, figure, language) for name, figure in found.items()})
    except (msgspec.DecodeError, KeyError, ValueError):
        return text


def _bare(figure: str | float | datetime) -> str | float:
    return figure.astimezone(UTC).isoformat() if isinstance(figure, datetime) else figure


def _shown(name: str, figure: str | float, language: Language) -> str:
    if name in _MOMENTS:
        return clock(datetime.fromisoformat(str(figure)), language)
    if name in _SEVERITIES:
        return word(SEVERITIES, str(figure), language)
    return figure if isinstance(figure, str) else plain(figure, language)
