"""The page that checks figures, in a real browser: true and changed evidence, files and addresses, offline too.

Most evidence is made by the pure core in memory (`evidence_world`). It reaches the page as a file, or `page.route` puts
it in the place of the answer of the API. The links of the other pages are followed to the real API.
"""

import base64
import json
import re
from datetime import UTC, datetime
from itertools import product

import psycopg
import pytest
import pytest_asyncio
from playwright.async_api import expect

from gateway.api.pages.verify import PROGRAM
from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.service.log_worker import LogWorker
from gateway.store.connection import Store
from gateway.transparency.checkpoint import read_checkpoint
from gateway.transparency.cosignature import cosign
from gateway.transparency.leaf import LeafKind
from gateway.transparency.log_folder import LogFolder
from gateway.transparency.settings import PublicLogSettings
from gateway.verification.evidence_file import LoggedLeaf, PublishedValue
from tests.browser.changed_evidence import make_cases
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.browser.evidence_verdict import flip_base64, judge
from tests.browser.evidence_world import AT, STATION, EvidenceWorld, encode_base64, to_dict
from tests.gateway.api.conftest import running_api
from tests.gateway.api.observation_batches import ingest_observations
from tests.gateway.enrolled_node import enrol_node

pytestmark = [pytest.mark.browser, pytest.mark.slow]
STEPS = ["policy", "signature", "batch", "inclusion", "checkpoint", "witnesses", "node_key", "value", "published"]
EVIDENCE_ROUTE = re.compile(r"/api/v1/.*/evidence")


@pytest.fixture
def world():
    return EvidenceWorld()


@pytest.fixture
def log_settings(tmp_path, world):
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys" / "ijmond.key").write_text(world.log.export())
    host = world.origin.partition("/")[0]
    return PublicLogSettings(folder=tmp_path / "log", host=host, key_folder=tmp_path / "keys")


@pytest_asyncio.fixture(loop_scope="session")
async def site(database, broker, log_settings, world):
    """(address, pipeline, node, broker), as for the other pages, of an installation with a public log."""
    node = enrol_node(database)
    store = Store(database)
    async with running_api(database, broker, log_settings) as (client, _):
        address = str(client.base_url).rstrip("/")
        yield address, Pipeline(store, Flagger(), Detector(DetectionSettings())), node, broker
    await store.close()


@pytest_asyncio.fixture(loop_scope="session")
async def sequence(database, log_settings, world):
    """Puts what is committed into the public log, and has its head cosigned by the witnesses of the world."""
    worker = LogWorker(log_settings, database, [], "piekwacht test")

    async def run():
        await worker.run_once()
        folder = LogFolder.of(log_settings, "ijmond")
        note = folder.read_checkpoint()
        text = read_checkpoint(note).encode()
        now = int(datetime.now(UTC).timestamp())
        folder.write_checkpoint(note + b"".join(cosign(witness, text, now) for witness in world.witnesses))
        folder.write_policy(world.write_policy())

    yield run
    await worker.aclose()


@pytest_asyncio.fixture(loop_scope="session")
async def page(visit):
    return await open_page(visit)


async def open_page(visit, path="/nl/verify", **options):
    page = await visit(path, **options)
    await expect(page.locator("html")).to_have_attribute("data-verify", re.compile("ready|stored"))
    return page


async def check_file(page, content, policy=None):
    """Choose a file, and an own trust list; return the verdict and {step: (state, sentence)}."""
    if policy is not None:
        if not await page.locator("#policy").is_visible():
            await page.locator("#own-policy summary").click()
        await page.locator("#policy").fill(policy)
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    await page.locator("#file").set_input_files([])
    await page.locator("#file").set_input_files(
        {"name": "a.piekwacht.json", "mimeType": "application/json", "buffer": body}
    )
    return await read_result(page)


async def read_result(page):
    await expect(page.locator("#verdict")).to_have_class(
        re.compile("ok|partly|false|incomplete|unchecked"), timeout=20_000
    )
    steps = await page.locator(".check").evaluate_all(
        "items => items.map((item) => [item.dataset.step, [item.classList[1], item.querySelector('p').textContent]])"
    )
    return await page.locator("#verdict").inner_text(), dict(steps)


async def test_a_true_file_is_right_in_every_step_by_the_own_trust_list(page, world):
    verdict, steps = await check_file(page, world.make_evidence().encode(), world.write_policy())
    assert verdict.startswith("Het klopt: kastje ijm-001")
    assert {name: state for name, (state, _) in steps.items()} == dict.fromkeys(STEPS, "ok")
    assert steps["checkpoint"][1].endswith("volgens uw eigen vertrouwenslijst.")
    await expect(page.locator("#claim")).to_contain_text("Wijk aan Zee, fijnstof PM2,5")
    await expect(page.locator("#claim")).to_contain_text("12,5 µg/m³")
    assert "wijk-aan-zee (Wijk aan Zee)" in await page.locator("[data-step=node_key] dd").all_text_contents()
    facts = await page.locator("[data-step=inclusion] dd").all_inner_texts()
    assert facts[2] == facts[3]
    assert facts[3].removesuffix("…") in read_checkpoint(world.sign_head()).root.hex()


@pytest.mark.parametrize("station", ["elders-1", "constructor"])
async def test_a_station_that_this_site_does_not_have_is_shown_by_its_id(page, world, station):
    tree = to_dict(world.make_evidence())
    tree["claim"]["station"] = station
    await check_file(page, tree)
    await expect(page.locator("#claim")).to_contain_text(f"{station}, fijnstof PM2,5")


async def test_a_reader_without_a_question_reads_where_the_links_are(visit):
    for language, sentence in (("nl", "Open de pagina van een station of piek"), ("en", "open the page of a station")):
        page = await open_page(visit, f"/{language}/verify")
        await expect(page.locator("main")).to_contain_text(sentence)


async def test_the_trust_list_of_the_file_itself_is_never_called_checked(page, world):
    verdict, steps = await check_file(page, world.make_evidence().encode())
    assert verdict.startswith("Niets is fout")
    assert "Niet gecontroleerd: wie is het logboek" in verdict
    assert steps["policy"][0] == "unchecked"
    assert {steps[name][0] for name in STEPS[1:]} == {"ok"}
    assert "volgens de vertrouwenslijst in het bestand zelf" in steps["witnesses"][1]


async def test_no_required_witness_leaves_the_figure_unproven(page, world):
    verdict, steps = await check_file(page, world.make_evidence().encode(), world.write_policy(quorum="none"))
    assert verdict == "Dit is niet bewezen, want niet alles kon worden gecontroleerd: getuigen."
    assert steps["witnesses"] == ["unchecked", "Deze vertrouwenslijst vraagt geen enkele getuige."]


def change_proof(tree, old, new):
    assert old in tree["batch"]["proof"]
    tree["batch"]["proof"] = tree["batch"]["proof"].replace(old, new, 1)


def make_manipulations(world):
    """(name, changed file, step that is false, its sentence)."""
    true = to_dict(world.make_evidence())

    def changed(change):
        tree = json.loads(json.dumps(true))
        change(tree)
        return tree

    def set_claim(**fields):
        return changed(lambda tree: tree["claim"].update(fields))

    def drop_witness(tree):
        for place in (tree["batch"], tree["node_key"]):
            place["proof"] = "\n".join(line for line in place["proof"].split("\n") if "dorpsraad" not in line)

    def sign_other_key_id(tree):
        line = next(line for line in tree["batch"]["proof"].split("\n") if line.startswith(f"— {world.origin} "))
        blob = base64.b64decode(line.rsplit(" ", 1)[1])
        change_proof(tree, line, f"— {world.origin} {encode_base64(bytes([blob[0] ^ 1]) + blob[1:])}")

    def write_other_base64(tree):
        line = tree["batch"]["proof"].split("\n")[2]
        assert line.endswith("=")
        letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
        change_proof(tree, line, f"{line[:-2]}{letters[letters.index(line[-2]) + 1]}=")

    def use_proof_of_other_leaf(tree):
        tree["batch"]["proof"] = world.prove(world.key_index)

    foreign = EvidenceWorld(origin="elders.example/log/ijmond", node=world.node)
    late = EvidenceWorld(node=world.node, witnesses=world.witnesses, period=("2026-11-29T02:00:05.000Z", "-"))
    ended = EvidenceWorld(node=world.node, period=("2026-01-01T00:00:00.000Z", "2026-11-29T02:00:01.000Z"))
    added_later = EvidenceWorld()
    evidence = added_later.make_evidence()
    index = added_later.add(added_later.make_key_leaf("2026-01-01T00:00:00.000Z", "-"))
    late_key = LoggedLeaf(leaf=added_later.key_leaf.encode().decode(), proof=added_later.prove(index))
    other_witness = EvidenceWorld()
    forged = world.sign_head(other_witness.witnesses[:1])
    published = {"value": 11.0, "flags": [], "corrected": None, "rule": None}
    return [
        ("a byte of the batch", changed(lambda t: t["batch"].update(signed=flip_base64(t["batch"]["signed"], 180))),
         "signature", "past niet bij de tekst"),
        ("proof of another leaf", changed(use_proof_of_other_leaf), "inclusion", "leidt niet naar de top"),
        ("foreign log", {**to_dict(foreign.make_evidence()), "policy": world.write_policy()}, "checkpoint",
         "kent het logboek elders.example/log/ijmond niet"),
        ("wrong key id of the log", changed(sign_other_key_id), "checkpoint", "niet ondertekend met sleutel"),
        ("base64 in another form", changed(write_other_base64), "inclusion", "anders geschreven"),
        ("missing witness", changed(drop_witness), "witnesses",
         "Nodig is 2/2: ggd, dorpsraad, en dit zijn de getuigen die ondertekenden: ggd"),
        ("cosignature of others", changed(lambda t: t["batch"].update(proof=world.prove(3, forged))), "witnesses",
         "die ondertekenden: –"),
        ("key not valid yet", to_dict(late.make_evidence()), "node_key", "gold van 2026-11-29T02:00:05.000Z"),
        ("key not valid any more", to_dict(ended.make_evidence()), "node_key",
         "de meting is van 2026-11-29T02:00:01.000Z"),
        ("key added afterwards", {**to_dict(evidence), "node_key": {"leaf": late_key.leaf, "proof": late_key.proof}},
         "node_key", "na het meetbericht met nummer 3"),
        ("value changed", set_claim(value=11.0, published=published), "value",
         "zegt 11, en het kastje ondertekende 12,5"),
        ("time changed", set_claim(observed_at="2026-11-29T02:00:05.000Z"), "value", "heeft geen meting"),
        ("flags changed", set_claim(flags=1), "value", "kenmerken in het bewijs"),
        ("station changed", set_claim(station="velsen"), "node_key", "hoort bij station wijk-aan-zee"),
        ("published value changed", set_claim(published=published), "published", "laat 11 zien"),
        ("number changed", changed(lambda t: t["batch"].update(number=18)), "batch", "ander kastje of nummer"),
        ("two values for one name", json.dumps(true).replace('"claim":', '"claim": null, "claim":').encode(), "file",
         "staat er twee keer in"),
        ("no evidence", b"%PDF-1.7", "file", "geen JSON"),
    ]  # fmt: skip


async def test_every_manipulated_file_is_wrong_for_its_reason(page, world):
    for name, content, step, sentence in make_manipulations(world):
        verdict, steps = await check_file(page, content)
        assert verdict.startswith("Het klopt niet."), name
        state, text = steps[step]
        assert state == "false", name
        assert sentence in text, name
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        assert judge(body) == "false", f"{name}: the Python core believes it"


async def test_a_line_that_nobody_signed_changes_nothing_and_is_named(page, world):
    tree = to_dict(world.make_evidence())
    change_proof(tree, "index", f"extra {encode_base64(b'the value is 99')}\nindex")
    verdict, steps = await check_file(page, tree, world.write_policy())
    assert verdict.startswith("Het klopt")
    assert steps["inclusion"][0] == "ok"
    await expect(page.locator("[data-step=inclusion]")).to_contain_text("niet ondertekende regel, niet gebruikt")
    change_proof(tree, "extra", "extra again\nextra")
    verdict, steps = await check_file(page, tree)
    assert steps["inclusion"][0] == "false"


async def test_heads_of_two_histories_are_a_fork(page, world):
    tree = to_dict(world.make_evidence())
    other = EvidenceWorld(node=world.node, witnesses=world.witnesses)
    other.log = world.log
    other.leaf_log.leaves = [*world.leaf_log.leaves[:-1], world.leaf_log.leaves[0]]
    tree["node_key"]["proof"] = other.prove(world.key_index)
    verdict, steps = await check_file(page, tree, world.write_policy())
    assert steps["node_key"][0] == "ok"
    assert steps["heads"][0] == "false"
    assert "het logboek is gesplitst" in verdict


async def test_what_this_page_cannot_check_is_named_and_never_called_right(page, world):
    event = world.log_document({"id": "e"}, LeafKind.EVENT, ("e", "1"))
    published = PublishedValue(value=12.5, flags=["jump"], corrected=9.5, rule="kappa-koehler 2")
    evidence = world.make_evidence(events=[event], claim=world.claim(published=published))
    verdict, steps = await check_file(page, evidence.encode(), world.write_policy())
    assert verdict.endswith(
        "Niet gecontroleerd: wat de site laat zien; de gecorrigeerde waarde; de pieken in het bestand."
    )
    assert {name for name, (state, _) in steps.items() if state == "unchecked"} == {"published", "corrected", "events"}


async def test_browser_and_python_give_the_same_verdict_on_changed_files(page, world):
    cases = list(make_cases(world, seed=20_261_129, count=400))
    policy = world.write_policy()
    expected = [[judge(case), judge(case, policy)] for case in cases]
    verdicts = await page.evaluate(
        """async ({ cases, policy }) => {
             const { checkEvidence } = await import("/static/verify/steps.js");
             const { flags } = JSON.parse(document.getElementById("boot").textContent);
             const verdicts = [];
             for (const text of cases) {
               const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
               const own = await checkEvidence(bytes, { flags, policyText: policy });
               verdicts.push([(await checkEvidence(bytes, { flags })).verdict, own.verdict]);
             }
             return verdicts;
           }""",
        {"cases": [encode_base64(case) for case in cases], "policy": policy},
    )
    assert {verdict for verdict, _ in expected} == {"false", "incomplete", "partly"}
    assert {verdict for _, verdict in expected} == {"false", "partly", "ok"}
    rows = zip(cases, verdicts, expected, strict=True)
    assert [case for case, verdict, other in rows if verdict != other] == []


LACKING = {
    "Ed25519": """crypto.subtle.importKey = async () => { throw new DOMException("no", "NotSupportedError"); };""",
    "https": """Object.defineProperty(crypto, "subtle", { value: undefined });""",
}


async def test_without_the_cryptography_of_the_browser_nothing_is_called_right(visit, world):
    for name, script in LACKING.items():
        page = await visit("/nl/about")
        await page.add_init_script(script)
        await page.goto(page.url.replace("about", "verify"))
        verdict, steps = await check_file(page, world.make_evidence().encode(), world.write_policy())
        assert verdict.startswith("Dit is niet bewezen"), name
        assert name in steps["signature"][1]
        assert {steps[step][0] for step in ("signature", "checkpoint", "witnesses", "node_key")} == {"unchecked"}


async def open_question(visit, query, answer, *, status=200, language="nl"):
    """Open the page with a question; `answer` is in the place of that of the API."""
    page = await visit(f"/{language}/about")

    async def respond(route):
        await route.fulfill(status=status, body=answer, content_type="application/json")

    await page.route(EVIDENCE_ROUTE, respond)
    await page.goto(page.url.replace("about", f"verify?{query}"))
    return page, *await read_result(page)


QUESTION = f"station={STATION}&property=pm2_5&at={AT}"


async def test_an_address_asks_for_a_figure_and_the_answer_must_be_about_it(visit, world):
    content = world.make_evidence().encode()
    page, _, steps = await open_question(visit, f"{QUESTION}&value=12.5", content)
    assert steps["question"][0] == "ok"
    await expect(page.locator("main")).not_to_contain_text("Een getal controleren?")
    await page.locator("#own-policy summary").click()
    await page.locator("#policy").fill(world.write_policy())
    await page.locator("#policy-form button").click()
    await expect(page.locator("#verdict")).to_have_class("verdict ok")
    for query, sentence in {
        f"{QUESTION}&value=12.6": "u zag 12,6, en het bewijs gaat over 12,5",
        QUESTION.replace(STATION, "velsen"): "iets anders dan gevraagd",
        QUESTION.replace("pm2_5", "pm10"): "iets anders dan gevraagd",
        QUESTION.replace("01.000", "02.000"): "iets anders dan gevraagd",
        "batch=ijm-001/abcdefghijkl/18": "iets anders dan gevraagd",
    }.items():
        _, verdict, steps = await open_question(visit, query, content)
        assert steps["question"][0] == "false", query
        assert sentence in verdict, query


async def test_an_address_asks_for_a_batch(visit, world):
    content = world.make_evidence(claim=None).encode()
    page, verdict, steps = await open_question(visit, "batch=ijm-001/abcdefghijkl/17", content)
    assert steps["question"][0] == "ok"
    assert "value" not in steps
    assert verdict.startswith("Niets is fout")
    await expect(page.locator("#claim")).to_have_text("Meetbericht ijm-001 abcdefghijkl 17")
    await expect(page.locator("#evidence")).to_have_attribute(
        "href", "/api/v1/batches/ijm-001/abcdefghijkl/17/evidence"
    )


async def test_the_reason_of_the_server_is_shown_and_proves_nothing(visit):
    problem = json.dumps({"status": 404, "detail": "this batch is not in the log yet"})
    page, verdict, steps = await open_question(visit, QUESTION, problem, status=404)
    assert verdict == "De server heeft dit bewijs niet: this batch is not in the log yet"
    assert steps == {}
    page.complaints[:] = [text for text in page.complaints if "404" not in text]


async def test_an_address_that_names_no_figure_shows_no_result(visit):
    for query in ("station=x", "batch=a/b/c", f"{QUESTION}&value=x"):
        page = await open_page(visit, f"/nl/verify?{query}")
        await expect(page.locator(".banner")).to_have_text("Dit adres noemt geen getal dat we kunnen opzoeken.")
        await expect(page.locator(".result")).to_be_hidden()


@pytest_asyncio.fixture(loop_scope="session")
async def measured(site, world, sequence):
    """A batch of the world's node in the database and in the public log of the API; its last reading is of just now."""
    _, pipeline, node, _ = site
    now = int(datetime.now(UTC).timestamp() * 1000)
    values = [8.0 + 0.1 * (i % 3) for i in range(59)] + [12.5]
    payload = node.payload(
        17, t0=now - 59_000, dt=[1000 * i for i in range(60)], values={"pm2_5": values}, received_at=datetime.now(UTC)
    )
    await pipeline.process([payload])
    await sequence()


async def follow_link(page, link):
    """Follow a link to the page, which checks the answer of the real API."""
    await link.click()
    verdict, steps = await read_result(page)
    assert verdict.startswith("Niets is fout")
    assert {steps[name][0] for name in ("question", *STEPS[1:8])} == {"ok"}
    await expect(page.locator("#claim")).to_contain_text("12,5 µg/m³")


async def test_a_value_on_the_station_page_leads_to_its_check(visit, measured):
    page = await visit(f"/nl/stations/{STATION}")
    link = page.locator("tr[data-property=pm2_5] .check-link")
    await expect(link).to_have_accessible_name(re.compile("Controleer de nieuwste losse meting"))
    await follow_link(page, link)


async def test_an_hour_on_the_station_page_leads_to_the_check_of_its_highest_reading(visit, measured):
    page = await visit(f"/nl/stations/{STATION}")
    await follow_link(page, page.locator("section[aria-labelledby=hours] .check-link").first)
    await expect(page.locator("#basis")).to_contain_text("hoogste losse meting van deze periode")


async def test_a_value_that_was_changed_in_the_database_is_noticed(visit, measured, database):
    page = await visit(f"/nl/stations/{STATION}")
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute("UPDATE observation SET value = 3.5 WHERE value = 12.5")
    await page.locator("section[aria-labelledby=hours] .check-link").first.click()
    verdict, steps = await read_result(page)
    assert verdict.startswith("Het klopt niet.")
    assert steps["question"][0] == "false"


async def test_an_address_of_a_batch_is_answered_by_the_api(visit, site, measured):
    page = await open_page(visit, f"/nl/verify?batch=ijm-001/{site[2].inc}/17")
    _, steps = await read_result(page)
    assert {steps[name][0] for name in ("question", *STEPS[1:6])} == {"ok"}
    assert steps["node_key"][0] == "false", "its first readings are older than the enrolment of the node"


async def test_the_peak_on_the_pages_of_a_plume_and_an_event_leads_to_its_check(visit, site, world):
    _, pipeline, node, _ = site
    await ingest_observations(pipeline, node)
    page = await visit("/nl/events")
    await page.locator(".peak a").first.click()
    await check_first_link(page, "plumes", lambda plume: plume["events"][0])
    await page.goto(page.url.replace("/plumes/", "/events/"))  # a plume has the id of its first event
    await check_first_link(page, "events", lambda event: event)


async def check_first_link(page, collection, choose_event):
    """The first link to a check on the page asks for the peak of the event of the page."""
    address = await page.locator(".check-link").first.get_attribute("href")
    document = await page.evaluate(
        f"fetch(location.pathname.replace('/nl/{collection}', '/api/v1/{collection}')).then((answer) => answer.json())"
    )
    event = choose_event(document)
    expected = {"at": event["peakAt"].replace(":", "%3A"), "value": str(event["peak"]), "station": STATION}
    for name, value in expected.items():
        assert f"{name}={value}" in address


async def test_the_page_works_without_a_network_after_it_was_loaded(visit, world):
    page = await open_page(visit)
    await page.evaluate("navigator.serviceWorker.ready.then(() => true)")
    await expect(page.locator("html")).to_have_attribute("data-verify", "stored")
    await page.reload()
    await page.context.set_offline(True)
    await page.goto(f"{page.url}?{QUESTION}")
    await expect(page.locator("h1")).to_have_text("Controleer dit getal")
    verdict, steps = await check_file(page, world.make_evidence().encode(), world.write_policy())
    assert verdict.startswith("Het klopt: ")
    assert {state for state, _ in steps.values()} == {"ok"}
    page.complaints.clear()  # the browser logs errors about the missing network
    await page.context.set_offline(False)


async def test_the_page_is_accessible_and_fits_both_screens(visit, world, axe):
    for language, viewport in product(("nl", "en"), (WIDE, PHONE)):
        await look_at_results(visit, world, axe, language, viewport)


async def look_at_results(visit, world, axe, language, viewport):
    page = await open_page(visit, f"/{language}/verify", viewport=viewport)
    assert await find_violations(page, axe) == []
    false = to_dict(world.make_evidence())
    false["claim"]["value"] = 11.0
    for name, content, policy in (
        ("partly", world.make_evidence().encode(), None),
        ("wrong", false, None),
        ("right", world.make_evidence().encode(), world.write_policy()),
    ):
        await check_file(page, content, policy)
        assert await find_violations(page, axe) == [], name
        await save_screenshot(page, f"verify-{name}-{language}-{viewport['width']}")


async def test_the_page_is_legible_for_who_prefers_dark(visit, world, axe):
    page = await open_page(visit, viewport=PHONE, color_scheme="dark")
    await check_file(page, world.make_evidence().encode())
    assert await find_violations(page, axe) == []
    await save_screenshot(page, "verify-dark")


async def test_without_javascript_the_page_offers_the_evidence_and_the_program(visit):
    page = await visit(f"/nl/verify?{QUESTION}", java_script_enabled=False)
    await expect(page.locator("noscript .banner")).to_contain_text("heeft JavaScript nodig")
    await expect(page.locator("#evidence")).to_be_visible()
    await expect(page.locator("a[href='/verify.py']")).to_have_count(int(PROGRAM.exists()))
    await save_screenshot(page, "verify-no-script")
