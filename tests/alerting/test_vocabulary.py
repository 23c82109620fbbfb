"""Every code that reaches a person has words in both languages, and old records stay readable."""

from datetime import UTC, datetime

import psycopg
import pytest

from alerting import vocabulary
from alerting.alert import Severity
from alerting.decide.reason_detail import _SAY, Code, kept, worded
from alerting.decide.routing import Reason
from alerting.record.history import _OUTCOMES, _WHY, Decided, particulars
from edge_agent.wire import Flag
from gateway.detection.confidence import ConfidenceReason as DetectionReason

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
FIGURES = {
    Code.ON_DUTY: {"receiver": "piket"},
    Code.FELL: {"was": "severe", "now": "minor"},
    Code.HEARD: {"at": AT},
    Code.SOURCE: {"name": "fakkel", "basis": "vergunning 12-34", "owner": "Jansen", "level": 40.0, "day": "2026-12-31"},
    Code.UNANSWERED: {"receiver": "piket", "at": AT},
    Code.SILENCE: {"id": "3", "author": "mulder", "until": AT, "reason": "proef"},
    Code.MAINTENANCE: {"id": "3", "author": "mulder", "until": AT, "reason": "filters"},
    Code.UNCONFIGURED: {},
    Code.NO_ANSWER: {"host": "mail", "error": "ReadTimeout"},
    Code.TOO_SLOW: {"seconds": 60.0},
    Code.NO_CONNECTION: {"host": "mail", "error": "refused"},
    Code.PRIVATE: {"host": "localhost"},
    Code.GONE: {"at": AT},
}


@pytest.mark.parametrize(
    ("codes", "named"),
    [
        ([flag.name.lower() for flag in Flag], vocabulary.FLAGS),
        ([reason.value for reason in DetectionReason], vocabulary.REASONS),
        ([severity.value for severity in Severity], vocabulary.SEVERITIES),
        ([reason.value for reason in Reason], _WHY),
        (["delivered", "refused", "failed", "gone", "unknown"], _OUTCOMES),
        (list(Code), _SAY),
    ],
)
def test_every_code_has_words_in_both_languages(codes, named):
    for code in codes:
        dutch, english = named[code]
        assert dutch
        assert english


def test_a_property_is_called_what_the_registry_calls_it_or_shorter(database):
    with psycopg.connect(database) as connection:
        rows = {row[0]: row[1:] for row in connection.execute("SELECT id, name_nl, name_en FROM observed_property")}
    for one, names in vocabulary.PROPERTIES.items():
        assert all(long.endswith(short) for long, short in zip(rows[one], names, strict=True)), one


@pytest.mark.parametrize("code", Code)
def test_particulars_are_kept_as_code_and_figures_and_read_in_two_languages(code):
    text = kept(code, **FIGURES[code])
    dutch, english = worded(text, "nl"), worded(text, "en")
    assert dutch != english
    for shown in (dutch, english):
        assert "{" not in shown
        for name, figure in FIGURES[code].items():
            if isinstance(figure, str) and name not in {"was", "now"}:
                assert figure in shown


def test_what_a_server_said_or_an_earlier_version_wrote_is_shown_as_it_is():
    for text in ("250 2.0.0 Ok", "on duty for piket", '{"code":"none_of_ours"}', '{"code":"fell"}', "{}", "", "[1]"):
        assert worded(text, "nl") == text


def test_a_moment_is_read_on_the_dutch_clock():
    step = Decided(
        at=AT, revision=2, receiver="piket", told=True, reason="no_data", detail=kept(Code.HEARD, at=AT), rules="ab12"
    )
    assert particulars(step, "nl") == (
        "niets meer gehoord sinds za 21-11-2026 03:00:00 (CET, UTC+0100), no_data, herziening 2, regels ab12"
    )
