"""The catalogues of texts are complete: every key in both languages, with the same placeholders."""

import re
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.pofile import read_po

from alerting.vocabulary import LANGUAGES
from gateway.model.texts import texts_of

ROOT = Path(__file__).parents[1]
DOMAINS = ("alerting", "gateway")


def read_catalogue(domain, language):
    """{(context, key): texts} of a .po file."""
    path = ROOT / domain / "locale" / language / "LC_MESSAGES" / f"{domain}.po"
    with path.open("rb") as file:
        catalogue = read_po(file, abort_invalid=True)
    return {
        (message.context, message.id if isinstance(message.id, str) else message.id[0]): message
        for message in catalogue
        if message.id
    }


def find_placeholders(message):
    texts = message.string if isinstance(message.string, tuple) else (message.string,)
    return {name for text in texts for _, name, _, _ in Formatter().parse(text) if name is not None}


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_language_has_every_text(domain):
    first, *translations = (read_catalogue(domain, language) for language in LANGUAGES)
    for other in translations:
        assert first.keys() == other.keys()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("domain", DOMAINS)
def test_no_text_is_empty_or_a_guess_of_a_tool(domain, language):
    messages = read_catalogue(domain, language).items()
    assert [key for key, message in messages if message.fuzzy or not all(message.string)] == []


@pytest.mark.parametrize("domain", DOMAINS)
def test_a_text_has_the_same_placeholders_in_every_language(domain):
    first, *translations = (read_catalogue(domain, language) for language in LANGUAGES)
    for other in translations:
        differing = {
            key for key, message in first.items() if find_placeholders(message) != find_placeholders(other[key])
        }
        assert differing == set()


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("variable", "context"), [("w", "page"), ("i", "inspector"), ("s", "subscribe"), ("o", "operator")]
)
def test_every_key_that_a_template_names_has_a_text(variable, context, language):
    texts = texts_of(context, language)
    for template in sorted((ROOT / "gateway/api/templates").rglob("*.html")):
        for key in re.findall(rf"(?<![\w.]){variable}\.(\w+)", template.read_text(encoding="utf-8")):
            assert key == "get" or key in texts, f"{template.name}: {key}"


def test_a_key_without_a_text_is_an_error():
    with pytest.raises(KeyError, match="no_such_key"):
        texts_of("page", "nl")["no_such_key"]
