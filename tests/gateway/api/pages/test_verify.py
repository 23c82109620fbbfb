"""The page that checks figures: the parameters of its address, and the texts and files of its modules."""

import re
from pathlib import Path
from string import Formatter

import pytest

from alerting.vocabulary import LANGUAGES
from edge_agent.wire import Flag
from gateway.api.pages import verify
from gateway.api.pages.verify import Question
from gateway.api.pages.verify_texts import FACTS, OUTCOMES, REASONS, STEPS, VERIFY_TEXTS
from gateway.model.texts import texts_of

MODULES = Path(verify.__file__).parents[1] / "static" / "verify"
SOURCE = "\n".join(path.read_text(encoding="utf-8") for path in sorted(MODULES.glob("*.js")))
AT, LATER = "2026-11-29T02:00:00.000Z", "2026-11-29T03:00:00.000Z"
PLACE = {"station": "wijk-aan-zee", "observed_property": "pm2_5"}


@pytest.mark.parametrize(
    ("question", "path"),
    [
        ({**PLACE, "at": AT}, "/api/v1/stations/wijk-aan-zee/evidence?property=pm2_5&at=2026-11-29T02%3A00%3A00.000Z"),
        ({**PLACE, "at": AT, "value": "-1.5e-07"}, None),
        ({**PLACE, "start": AT, "end": LATER, "value": "12"}, None),
        ({"batch": "ijm-001/abcdefghijkl/17"}, "/api/v1/batches/ijm-001/abcdefghijkl/17/evidence"),
    ],
)
def test_a_question_names_its_evidence(question, path):
    evidence_question = Question(**question)
    assert evidence_question.is_valid
    assert not evidence_question.is_empty
    if path is not None:
        assert evidence_question.evidence_path == path
    assert (evidence_question.evidence_path is None) == bool(evidence_question.start)


@pytest.mark.parametrize(
    "question",
    [
        {"station": "wijk-aan-zee", "at": AT},
        {**PLACE},
        {**PLACE, "at": "2026-11-29T02:00:00Z"},
        {**PLACE, "at": AT + "\n"},
        {**PLACE, "start": AT},
        {**PLACE, "at": AT, "value": "1,5"},
        {**PLACE, "at": AT, "station": "../etc"},
        {**PLACE, "at": AT, "batch": "ijm-001/abcdefghijkl/17"},
        {"batch": "ijm-001/abcdefghijkl/0"},
        {"batch": "ijm-001/abcdefghijkl"},
        {"value": "12"},
    ],
)
def test_an_address_that_names_no_figure_is_refused(question):
    assert not Question(**question).is_valid


async def test_the_page_has_its_question_its_files_and_all_flags(api, pipeline, node):
    page = await api.get(f"/en/verify?station=wijk-aan-zee&property=pm2_5&at={AT}")
    assert page.status_code == 200
    assert "Check this figure" in page.text
    assert '<script src="/static/verify/page.js" type="module">' in page.text
    for path in MODULES.glob("*.js"):
        assert f'"/static/verify/{path.name}"' in page.text
        assert (await api.get(f"/static/verify/{path.name}")).status_code == 200
    assert all(f'"{str(flag.name).lower()}": {flag.value}' in page.text for flag in Flag)
    assert (await api.get("/verify.py")).status_code == (200 if verify.PROGRAM.exists() else 404)


async def test_a_wrong_address_is_named_and_has_no_question(api, pipeline, node):
    page = (await api.get("/nl/verify?station=<script>&at=now")).text
    assert "Dit adres noemt geen getal" in page
    assert '"question": null' in page


def find_reasons():
    """{code: source of its values} of the reasons that the modules give."""
    pattern = re.compile(r'(?:ProofError\(|require\(.*, )"(\w+)"(?:, (\{.*\}))?\)')
    return {match[1]: match[2] or "" for line in SOURCE.splitlines() for match in pattern.finditer(line)}


def test_every_reason_step_and_fact_of_the_modules_has_a_text():
    assert find_reasons().keys() == set(REASONS)
    steps = set(re.findall(r'run\("(\w+)"', SOURCE)) | {"file"}
    steps |= set(re.findall(r'\["(\w+)", (?:Number\(|evidence\.)', SOURCE))
    assert {f"step_{name}" for name in steps} == set(STEPS)
    facts = "".join(line for line in SOURCE.splitlines() if "facts.push(" in line)
    assert {f"fact_{label}" for label in re.findall(r'\["(\w+)", ', facts)} == set(FACTS)
    unchecked = {"file", "dated", "corrected", "events", "deliveries", "rules", "time_stamp", "minute_batch"}
    of_guests = {"signature_guest"}  # the variant that the module returns for a batch that the notary signed
    assert {f"ok_{name}" for name in (steps - unchecked) | of_guests} == set(OUTCOMES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_values_of_a_reason_fill_its_text(language):
    texts = texts_of("verify", language)
    for code, values in find_reasons().items():
        for _, name, _, _ in Formatter().parse(texts[code]):
            assert name is None or re.search(rf"\b{name}\b", values), f"{code}: {name}"
    assert all(texts[key] for key in VERIFY_TEXTS)
