"""Patterns of people: matched in linear time, within limits, with the results of `re` where both have the syntax."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alerting.alert import Severity
from alerting.decide.matcher import MAX_TOTAL_COST, Matcher, MatcherIndex
from alerting.decide.pattern import MAX_LENGTH, Pattern
from alerting.decide.policy import NotificationPolicy, RuleKind
from alerting.decide.routing import DecisionReason, Route
from alerting.decide.silence import Silence
from alerting.decide.validation import check_conditions
from alerting.errors import SettingsError
from tests.alerting.decide.hostile_patterns import EXPONENTIAL, TOO_LARGE, UNSUPPORTED
from tests.alerting.sample_alerts import ONSET, make_alert

_PARTS = st.sampled_from(["a", "b", "é", ".", "[ab]", "[^a]", "-", "", "(?:ab)"])
_REPEATED = st.tuples(_PARTS, st.sampled_from(["", "?", "{0,2}", "{2}"])).map(lambda pair: pair[0] and "".join(pair))
_SEQUENCES = st.lists(_REPEATED, max_size=5).map("".join)
PATTERNS = st.lists(_SEQUENCES, min_size=1, max_size=3).map("|".join)
TEXTS = st.text(alphabet="abé-", max_size=8)


@given(PATTERNS, TEXTS)
def test_a_pattern_matches_as_in_python(pattern, text):
    assert Pattern(pattern).matches(text) is (re.fullmatch(pattern, text) is not None)


@pytest.mark.parametrize("pattern", EXPONENTIAL)
def test_a_pattern_that_backtracks_for_ever_in_python_is_answered(pattern):
    assert Pattern(pattern).matches("a" * 63 + "-wijk-aan-zee" * 30) is False


@pytest.mark.parametrize("pattern", TOO_LARGE)
def test_a_program_that_is_too_large_is_refused_with_the_remedy(pattern):
    with pytest.raises(SettingsError, match=r"matcher 'station=~.*too large.*list the values as a\|b"):
        Matcher.parse(f'station=~"{pattern}"')


@pytest.mark.parametrize("pattern", UNSUPPORTED)
def test_a_pattern_that_needs_backtracking_is_refused_with_the_remedy(pattern):
    with pytest.raises(SettingsError, match=r"matcher .*back references and look-arounds are not supported"):
        Matcher.parse(f'station!~"{pattern}"')


def test_a_pattern_has_a_limited_length():
    assert Pattern("a" * MAX_LENGTH).matches("a" * MAX_LENGTH)
    with pytest.raises(SettingsError, match="longer than 1000 characters"):
        Matcher.parse(f'station=~"{"a" * (MAX_LENGTH + 1)}"')


def test_a_long_matcher_is_shortened_in_its_sentence():
    with pytest.raises(SettingsError) as error:
        Matcher.parse(f'station=~"{"(" * 100_000}"')
    assert len(str(error.value)) < 400


def test_a_lone_surrogate_is_refused_in_a_pattern_and_matches_nothing_in_a_text():
    with pytest.raises(SettingsError, match="holds a character that is none"):
        Matcher.parse('station=~"\ud800"')
    assert Pattern("a").matches("\ud800") is False


def make_silence(number, *match):
    return Silence(id=number, match=match, author="a", reason="r", starts_at=ONSET, ends_at=ONSET.replace(year=2027))


@pytest.mark.parametrize("pattern", [*TOO_LARGE, *UNSUPPORTED, "("])
def test_a_stored_silence_that_cannot_be_evaluated_stops_no_decision_and_is_named(pattern):
    silences = [make_silence(7, f'station=~"{pattern}"'), make_silence(8, 'station=~"wijk.*"', 'severity="minor"')]
    policy = NotificationPolicy([Route(receiver="od")]).with_changes(silences, [])
    assert [decision.reason for decision in policy.decide(make_alert(), {}, ONSET)] == [DecisionReason.ROUTED]
    minor = policy.decide(make_alert(severity=Severity.MINOR), {}, ONSET)
    assert [decision.reason for decision in minor] == [DecisionReason.SILENCED]
    (rule,) = policy.set_aside
    assert (rule.kind, rule.name) == (RuleKind.SILENCE, "7")
    assert rule.reason.startswith("matcher ")


def test_rules_above_the_total_size_are_ignored_from_the_newest_on():
    texts = [f'station=~"(?:s{number}|[a-z]{{100}})"' for number in range(3_000)]
    cost = Matcher.parse(texts[0]).cost
    index = MatcherIndex([(number, [text]) for number, text in enumerate([*texts, 'station="x"'])])
    applied = MAX_TOTAL_COST // cost
    assert 100 < applied < 3_000
    left_out = [number for number, _ in index.set_aside]
    assert left_out == list(range(left_out[0], 3_000))
    assert applied // 2 < left_out[0] <= applied
    assert list(index.find_matching({"station": "x"})) == [3_000]


def test_settings_with_an_unsupported_pattern_are_refused_with_their_path():
    with pytest.raises(SettingsError, match=r"alerting\.route\[1\]\.match: matcher 'site=~.*look-arounds"):
        check_conditions([Route(receiver="a"), Route(receiver="b", match=['site=~"(?=a)b"'])], [])
    with pytest.raises(SettingsError, match=r"alerting\.route\[\d+\]\.match: there are too many regular expressions"):
        check_conditions([Route(receiver="a", match=[f'site=~"[^{n}]{{100}}"'], go_on=True) for n in range(999)], [])
