"""Fixtures: Chromium on a running server with data in a database. Screenshots are written to tests/artefacts/.

One Chromium serves all tests, each in contexts of its own, as its start takes longer than most tests. It belongs to one
event loop, so all tests and fixtures here use that of the session.
"""

import asyncio
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import async_playwright

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.ingest.pipeline import Pipeline
from gateway.mqtt.client import create_client
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.api.conftest import running_api
from tests.gateway.enrolled_node import enrol_node
from tests.npm import link_packages

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
WIDE, PHONE = {"width": 1440, "height": 1000}, {"width": 360, "height": 740}
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync"]  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.parent == Path(__file__).parent and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: apt install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=_QUIET)
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture(loop_scope="session")
async def site(database, broker):
    """(address, pipeline, node, broker): a station that measures, and the page that shows it."""
    node = enrol_node(database)
    store = Store(database)
    async with running_api(database, broker) as (client, _):
        yield str(client.base_url).rstrip("/"), Pipeline(store, Flagger(), Detector(DetectionSettings())), node, broker
    await store.close()
    await asyncio.sleep(0)


class LiveFeed:
    """Publishes readings of a station that end now, as ingest does: process, then send to the viewers."""

    def __init__(self, pipeline, node, broker):
        self.pipeline, self.node, self.broker, self.seq = pipeline, node, broker, 0

    async def publish_values(self, *values):
        self.seq += 1
        now = datetime.now(UTC)
        payload = self.node.payload(
            self.seq,
            t0=int(now.timestamp() * 1000) - 1000 * (len(values) - 1),
            dt=[1000 * i for i in range(len(values))],
            values={"pm2_5": list(values)},
            received_at=now,
        )
        committed = await self.pipeline.process([payload])
        async with create_client(self.broker, f"gateway-{self.seq}") as connection:
            for live in committed.live_messages:
                await connection.publish(f"pw/v1/{live.area}/live", live.encode())
        return committed


@pytest_asyncio.fixture(loop_scope="session")
async def air(site):
    _, pipeline, node, broker = site
    feed = LiveFeed(pipeline, node, broker)
    await feed.publish_values(*(8.0 + 0.1 * (i % 3) for i in range(60)))
    return feed


@pytest_asyncio.fixture(loop_scope="session")
async def visit(browser, site):
    """Opens a page; the test fails if it loads from another host or logs a warning or an error."""
    pages = []

    async def open_page(path="/", viewport=WIDE, **options):
        context = await browser.new_context(viewport=viewport, **{"locale": "nl-NL", **options})
        page = await context.new_page()
        page.complaints = []
        page.on("console", lambda m: page.complaints.append(m.text) if m.type in {"error", "warning"} else None)
        page.on("pageerror", lambda e: page.complaints.append(str(e)))
        page.on("request", lambda r: None if r.url.startswith((site[0], "data:")) else page.complaints.append(r.url))
        await page.goto(site[0] + path)
        pages.append(page)
        return page

    yield open_page
    try:
        for page in pages:
            assert page.complaints == []
            assert await page.context.cookies() == []
    finally:
        for page in pages:
            await page.context.close()


async def save_screenshot(page, name):
    ARTEFACTS.mkdir(exist_ok=True)
    await page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """Source of axe-core, pinned by a lock file."""
    folder = tmp_path_factory.mktemp("axe")
    link_packages(Path(__file__).parent / "axe", folder)
    return (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()


async def find_violations(page, axe) -> list[str]:
    """Accessibility violations on the page, each as rule and element."""
    await page.evaluate(axe)
    axe_violations = await page.evaluate(
        """async () => (await axe.run({ runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] })).violations
             .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 200)}`))"""
    )
    # Lighthouse counts it, and it is in none of those sets of rules
    axe_violations += await page.evaluate(
        """async () => (await axe.run({ runOnly: { type: "rule", values: ["landmark-unique"] } })).violations
             .flatMap((violation) => violation.nodes.map((node) => `${violation.id}: ${node.html.slice(0, 200)}`))"""
    )
    small_targets = await page.evaluate(
        """() => [...document.querySelectorAll("button, select, input, nav a, .tabs a, .marker")]
             .filter((target) => target.checkVisibility() && target.getBoundingClientRect().height < 24)
             .map((target) => `small: ${target.outerHTML.slice(0, 200)}`)"""
    )
    overflow = await page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return axe_violations + small_targets + (["wider than the screen"] if overflow > 0 else [])
