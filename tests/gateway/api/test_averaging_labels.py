"""Every value has a label, a single reading or a mean, with the same text on every page and in every feed.

The faces are those of `faces.py`, which are listed from the routes. A value in a table may have its label in the head
of its column. The background of an event is no value of a moment: it needs its own name only.
"""

import re

import pytest
from lxml import etree, html

from alerting.vocabulary import LANGUAGES, averaging_text, format_number
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.export.selection import Averaging
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.api.conftest import running_api
from tests.gateway.api.faces import FACES, STATION, Face, read_feed, read_page
from tests.gateway.api.test_validity_law import build_payloads, fetch_names, recent_start
from tests.gateway.enrolled_node import enrol_node

VALUE = re.compile(r"([\d.,]*\d)\s*µg/m³")
BLOCKS = {"li", "p", "dd", "td", "th", "h1", "h2", "figcaption", "title", "tr"}
BACKGROUND = {"nl": "achtergrond", "en": "background"}
CODES = (*Averaging, "area")


def find_words(language: str) -> re.Pattern[str]:
    return re.compile("|".join(re.escape(averaging_text(code, language)) for code in CODES), re.IGNORECASE)


def test_both_languages_have_a_label_for_every_averaging():
    for language in LANGUAGES:
        assert len({averaging_text(code, language) for code in CODES}) == len(CODES)


def list_unlabelled(texts: list[str], background: float, language: str) -> list[str]:
    """Texts with a value other than the background that lack the label."""
    background_text, words = format_number(background, language), find_words(language)
    unlabelled = []
    for text in texts:
        values = [value for value in VALUE.findall(text) if value != background_text]
        if values and len(words.findall(text)) < 1:
            unlabelled.append(text)
    return unlabelled


def page_texts(page: str) -> list[str]:
    """The text of each block that holds values; that of a cell with the head of its column before it."""
    tree = html.fromstring(re.sub(r"(?s)<script.*?</script>", "", page))
    texts = []
    for element in tree.iter():
        if isinstance(element.tag, str) and element.tag in BLOCKS and not set(BLOCKS) & descendant_tags(element):
            head = ""
            if element.tag == "td":
                column = len(list(element.itersiblings(preceding=True)))
                heads = element.xpath("ancestor::table//thead//th")
                head = heads[column].text_content() if column < len(heads) else ""
            texts.append(" ".join(f"{head} {element.text_content()}".split()))
    return texts


def descendant_tags(element) -> set[str]:
    return {child.tag for child in element.iterdescendants() if isinstance(child.tag, str)}


def feed_texts(content: bytes) -> list[str]:
    """Texts of a feed; in CAP the parameter `averaging` stands beside the peak."""
    tree = etree.fromstring(content)
    texts = [" ".join((element.text or "").split()) for element in tree.iter() if not len(element)]
    parameters = [text for text in texts if re.fullmatch(r"[\d.,]+ µg/m³", text)]
    if parameters:
        position = texts.index(parameters[0])
        assert texts[position + 1 : position + 3] == ["averaging", averaging_text("raw", "en")]
    return [text for text in texts if text not in parameters]


TEXT_FACES = [face for faces in FACES.values() for face in faces if face.read in {read_page, read_feed}]


@pytest.fixture
async def open_peak(database, broker):
    """A client of an API with an ongoing peak, and the names for its addresses."""
    node, start = enrol_node(database), recent_start()
    store = Store(database)
    pipeline = Pipeline(store, Flagger(), Detector(DetectionSettings()))
    for payload in list(build_payloads(node, start, 0.0, None))[:12]:
        await pipeline.process([payload])
    await store.close()
    async with running_api(database, broker, no_data_after_seconds=3_600) as (client, _):
        names = await fetch_names(client)
        yield client, names, (await client.get(f"/api/v1/events/{names['event']}")).json()


def language_of(face: Face) -> str:
    return "en" if face.path.startswith("/en") else "nl"


async def test_every_value_on_every_page_and_in_every_feed_has_its_averaging_label(open_peak):
    client, names, event = open_peak
    assert event["end"] is None
    labelled = 0
    for face in TEXT_FACES:
        response = await client.get(face.path.format(**names), timeout=60, headers={"Accept-Language": "nl"})
        assert response.status_code == 200, face.path
        texts = page_texts(response.text) if face.read is read_page else feed_texts(response.content)
        assert list_unlabelled(texts, event["background"], language_of(face)) == [], face.path
        labelled += sum(bool(VALUE.search(text)) for text in texts)
    assert labelled > 30


async def test_documents_for_programs_have_the_averaging_as_a_code(open_peak):
    client, names, event = open_peak
    assert event["peakAveraging"] == "raw"
    (revision, *_) = (await client.get(f"/api/v1/events/{names['event']}/revisions")).json()["items"]
    assert revision["peakAveraging"] == "raw"
    newest = (await client.get(f"/api/v1/stations/{STATION}")).json()["properties"]["newest"]["pm2_5"]
    assert (newest["averaging"], newest["valueAveraging"]) == ("1min", "raw")


async def test_the_scripts_have_the_labels_of_the_server(open_peak):
    client, _, _ = open_peak
    for language in LANGUAGES:
        page = (await client.get(f"/{language}/")).text
        for code in CODES:
            assert averaging_text(code, language) in page
