"""Programs of others judge a dossier: its bag, its description, and its PDF."""

import hashlib
import io
import re
import subprocess
import zipfile

import bagit
import pikepdf
import pytest
from rocrate_validator import models, services
from rocrate_validator.utils.http import HttpRequester

from tests.gateway.dossier.conftest import read_json

pytestmark = pytest.mark.timeout(300)  # the first test waits for the recorded event


SCHEMA_ORG = ("CreativeWork", "Dataset", "Organization", "about", "contentSize", "datePublished", "description",
              "encodingFormat", "hasPart", "inLanguage", "license", "name", "publisher")  # fmt: skip
CONTEXT = {
    **{term: f"http://schema.org/{term}" for term in SCHEMA_ORG},
    "File": "http://schema.org/MediaObject",
    "conformsTo": "http://purl.org/dc/terms/conformsTo",
}


class ContextAnswer:
    """Answer of the address of the RO-Crate context: the terms that a dossier uses, without a network."""

    status_code, headers, text = 200, {"Content-Type": "application/ld+json"}, ""

    def json(self):
        return {"@context": CONTEXT}


@pytest.fixture
def folder(dossier, tmp_path):
    """The unpacked bag."""
    with zipfile.ZipFile(io.BytesIO(dossier.content)) as archive:
        archive.extractall(tmp_path)
    (root,) = tmp_path.iterdir()
    return root


@pytest.fixture
def pdf(files):
    with pikepdf.open(io.BytesIO(files["data/dossier.pdf"])) as document:
        yield document


def test_the_bag_is_complete_and_valid(folder):
    bag = bagit.Bag(str(folder))
    assert bag.validate()
    assert bag.info["Source-Organization"] == "Omgevingsdienst IJmond"
    checked = subprocess.run(["sha256sum", "-c", "--quiet", "manifest-sha256.txt"], cwd=folder, capture_output=True)
    assert checked.returncode == 0, checked.stderr


def test_a_changed_file_makes_the_bag_invalid(folder):
    (folder / "data/event.json").write_bytes(b"{}")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(folder)).validate()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of rdflib, in the judge
def test_the_description_is_a_valid_crate(folder, monkeypatch):
    monkeypatch.setattr(HttpRequester, "get", lambda self, address, **_: ContextAnswer(), raising=False)
    result = services.validate(
        services.ValidationSettings(
            rocrate_uri=str(folder / "data"),
            profile_identifier="ro-crate-1.1",
            requirement_severity=models.Severity.REQUIRED,
        )
    )
    assert [issue.message for issue in result.get_issues()] == []
    assert result.passed()


def test_the_description_names_every_file_with_its_hash(files):
    graph = read_json(files, "ro-crate-metadata.json")["@graph"]
    described = {entity["@id"]: entity["sha256"] for entity in graph if entity["@type"] == "File"}
    payload = {path.removeprefix("data/"): content for path, content in files.items() if path.startswith("data/")}
    payload.pop("ro-crate-metadata.json")
    assert described == {path: hashlib.sha256(content).hexdigest() for path, content in payload.items()}


def test_the_pdf_declares_pdf_a_3a_and_its_language(pdf):
    with pdf.open_metadata() as metadata:
        assert (metadata["pdfaid:part"], metadata["pdfaid:conformance"]) == ("3", "A")
    assert str(pdf.Root.Lang) == "nl"
    assert pdf.Root.MarkInfo.Marked
    assert pdf.Root.OutputIntents[0].S == "/GTS_PDFA1"
    assert not pdf.is_encrypted
    assert "/JavaScript" not in pdf.Root.get("/Names", {})


def list_elements(element):
    """Every element of the structure tree below this one."""
    children = element.get("/K", [])
    for child in children if isinstance(children, pikepdf.Array) else [children]:
        if isinstance(child, pikepdf.Dictionary) and "/S" in child:
            yield child
            yield from list_elements(child)


def test_the_pdf_is_tagged_and_its_figures_have_a_text(pdf):
    elements = list(list_elements(pdf.Root.StructTreeRoot))
    kinds = {str(element.S) for element in elements}
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/Figure", "/L"} <= kinds
    texts = [str(element.get("/Alt", "")) for element in elements if element.S == "/Figure"]
    assert len([text for text in texts if text]) == 3  # the curve, the map and the wind
    assert any("fijnstof PM2,5 bij Wijk aan Zee" in text for text in texts)


def test_every_font_of_the_pdf_is_embedded_and_of_one_family(pdf):
    fonts = {}
    for page in pdf.pages:
        for font in page.resources.get("/Font", {}).values():
            (descendant,) = font.DescendantFonts
            fonts[str(font.BaseFont)] = descendant.FontDescriptor
            assert "/ToUnicode" in font
    assert fonts
    for name, descriptor in fonts.items():
        assert re.fullmatch(r"/[A-Z]{6}\+DejaVu-Sans.*", name)
        assert {"/FontFile2", "/FontFile3"} & set(descriptor.keys()), name


def test_the_event_is_attached_to_the_pdf_with_its_relationship(pdf, files):
    specifications = {str(item.UF): item for item in pdf.Root.AF}
    assert str(specifications["event.json"].AFRelationship) == "/Data"
    assert pdf.attachments["event.json"].get_file().read_bytes() == files["data/event.json"]


def test_the_dates_of_the_pdf_are_those_of_the_data(pdf, files):
    assert str(pdf.docinfo["/CreationDate"]) == str(pdf.docinfo["/ModDate"])
    published = read_json(files, "ro-crate-metadata.json")["@graph"][1]["datePublished"]
    assert re.sub(r"[-:TZ]", "", published) in str(pdf.docinfo["/CreationDate"])
