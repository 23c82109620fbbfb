"""Every code that reaches a person has a text in both languages, and old records stay readable."""

from datetime import UTC, datetime

import pytest

from alerting import vocabulary
from alerting.alert import Change, Severity
from alerting.decide.reason_detail import DetailCode, describe_detail, encode_detail
from alerting.decide.routing import DecisionReason
from alerting.delivery.channel import DeliveryOutcome
from alerting.record.history import DecisionStep, describe_step_details
from alerting.vocabulary import format_duration
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
    DetailCode.FALSE_ALARM: {"author": "mulder", "at": AT, "cause": "weather", "note": ": storm"},
    DetailCode.WITHDRAWN: {"author": "mulder"},
}


@pytest.mark.parametrize("language", vocabulary.LANGUAGES)
@pytest.mark.parametrize(
    ("codes", "context"),
    [
        ([flag.name.lower() for flag in Flag], "flag"),
        ([severity.value for severity in Severity], "severity"),
        ([change.value for change in Change], "change"),
        ([reason.value for reason in DecisionReason], "decision"),
        ([outcome.value for outcome in DeliveryOutcome], "outcome"),
        ([code.value for code in DetailCode], "detail"),
    ],
)
def test_every_code_has_a_text_in_both_languages(codes, context, language):
    texts = vocabulary.texts_of(context, language)
    assert [code for code in codes if code not in texts] == []


@pytest.mark.parametrize("language", vocabulary.LANGUAGES)
def test_every_reason_of_the_detector_has_a_text(language):
    reasons, flags = (vocabulary.texts_of(context, language) for context in ("reason", "flag"))
    assert [reason for reason in DetectionReason if reason.value not in reasons and reason.value not in flags] == []


@pytest.mark.parametrize("code", DetailCode)
def test_particulars_are_kept_as_code_and_figures_and_read_in_two_languages(code):
    text = encode_detail(code, **FIGURES[code])
    dutch, english = describe_detail(text, "nl"), describe_detail(text, "en")
    assert dutch != english
    for shown in (dutch, english):
        assert "{" not in shown
        for name, figure in FIGURES[code].items():
            if isinstance(figure, str) and name not in {"was", "now", "cause"}:
                assert figure in shown


def test_texts_of_servers_and_of_earlier_versions_are_shown_unchanged():
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


@pytest.mark.parametrize("value", [1e28, -1e30, 1.7976931348623157e308])
def test_a_figure_of_any_size_is_formatted(value):
    assert float(vocabulary.format_number(value)) == value


@pytest.mark.parametrize(
    ("seconds", "dutch", "english"),
    [
        (-5, "1 seconde", "1 second"),
        (0.2, "1 seconde", "1 second"),
        (44.5, "45 seconden", "45 seconds"),
        (89.4, "89 seconden", "89 seconds"),
        (89.5, "2 minuten", "2 minutes"),
        (150, "3 minuten", "3 minutes"),
        (725, "12 minuten", "12 minutes"),
        (5_399, "90 minuten", "90 minutes"),
        (5_400, "1,5 uur", "1.5 hours"),
        (8_100, "2,3 uur", "2.3 hours"),
        (10_800, "3 uur", "3 hours"),
        (172_799, "48 uur", "48 hours"),
        (172_800, "2 dagen", "2 days"),
        (400_000, "5 dagen", "5 days"),
    ],
)
def test_a_duration_has_one_wording(seconds, dutch, english):
    assert (format_duration(seconds, "nl"), format_duration(seconds, "en")) == (dutch, english)
