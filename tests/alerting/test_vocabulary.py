"""Every code that reaches a person has words in both languages, and old records stay readable."""

from datetime import UTC, datetime

import psycopg
import pytest

from alerting import vocabulary
from alerting.alert import Severity
from alerting.decide.reason_detail import _TEMPLATES, DetailCode, describe_detail, encode_detail
from alerting.decide.routing import DecisionReason
from alerting.record.history import _OUTCOME_TEXTS, _REASON_TEXTS, DecisionStep, describe_step_details
from edge_agent.wire import Flag
from gateway.detection.confidence import ConfidenceReason as DetectionReason

AT = datetime(2026, 11, 21, 2, 0, tzinfo=UTC)
FIGURES = {
    DetailCode.ON_DUTY: {"receiver": "piket"},
    DetailCode.FELL: {"was": "severe", "now": "minor"},
    DetailCode.HEARD: {"at": AT},
    DetailCode.SOURCE: {
        "name": "fakkel",
        "basis": "vergunning 12-34",
        "owner": "Jansen",
        "level": 40.0,
        "day": "2026-12-31",
    },
    DetailCode.UNANSWERED: {"receiver": "piket", "at": AT},
    DetailCode.SILENCE: {"id": "3", "author": "mulder", "until": AT, "reason": "proef"},
    DetailCode.MAINTENANCE: {"id": "3", "author": "mulder", "until": AT, "reason": "filters"},
    DetailCode.UNCONFIGURED: {},
    DetailCode.NO_ANSWER: {"host": "mail", "error": "ReadTimeout"},
    DetailCode.TOO_SLOW: {"seconds": 60.0},
    DetailCode.NO_CONNECTION: {"host": "mail", "error": "refused"},
    DetailCode.PRIVATE: {"host": "localhost"},
    DetailCode.GONE: {"at": AT},
}


@pytest.mark.parametrize(
    ("codes", "named"),
    [
        ([flag.name.lower() for flag in Flag], vocabulary.FLAG_TEXTS),
        ([reason.value for reason in DetectionReason], vocabulary.REASON_TEXTS),
        ([severity.value for severity in Severity], vocabulary.SEVERITY_TEXTS),
        ([reason.value for reason in DecisionReason], _REASON_TEXTS),
        (["delivered", "refused", "failed", "gone", "unknown"], _OUTCOME_TEXTS),
        (list(DetailCode), _TEMPLATES),
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
    for one, names in vocabulary.PROPERTY_NAMES.items():
        assert all(long.endswith(short) for long, short in zip(rows[one], names, strict=True)), one


@pytest.mark.parametrize("code", DetailCode)
def test_particulars_are_kept_as_code_and_figures_and_read_in_two_languages(code):
    text = encode_detail(code, **FIGURES[code])
    dutch, english = describe_detail(text, "nl"), describe_detail(text, "en")
    assert dutch != english
    for shown in (dutch, english):
        assert "{" not in shown
        for name, figure in FIGURES[code].items():
            if isinstance(figure, str) and name not in {"was", "now"}:
                assert figure in shown


def test_what_a_server_said_or_an_earlier_version_wrote_is_shown_as_it_is():
    for text in ("250 2.0.0 Ok", "on duty for piket", '{"code":"none_of_ours"}', '{"code":"fell"}', "{}", "", "[1]"):
        assert describe_detail(text, "nl") == text


def test_a_moment_is_read_on_the_dutch_clock():
    step = DecisionStep(
        at=AT,
        revision=2,
        receiver="piket",
        told=True,
        reason="no_data",
        detail=encode_detail(DetailCode.HEARD, at=AT),
        rules="ab12",
    )
    assert describe_step_details(step, "nl") == (
        "niets meer gehoord sinds za 21-11-2026 03:00:00 (CET, UTC+0100), no_data, herziening 2, regels ab12"
    )
