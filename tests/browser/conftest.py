"""A real Chromium on a real server with real data; screenshots of what it saw are kept in tests/artefacts/."""

import asyncio
import shutil
from pathlib import Path

import pytest
from playwright.async_api import async_playwright

from gateway.detection.detector import Detector
from gateway.detection.settings import DetectionSettings
from gateway.pipeline import Pipeline
from gateway.quality.flagger import Flagger
from gateway.store.connection import Store
from tests.gateway.api.conftest import serving
from tests.gateway.enrolled import enrol

ARTEFACTS = Path(__file__).parents[1] / "artefacts"
_QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
          "--disable-component-update", "--disable-sync"]  # fmt: skip


@pytest.fixture
async def browser():
    program = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if program is None:
        pytest.skip("no Chromium here: apt install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=_QUIET)
        yield chromium
        await chromium.close()


@pytest.fixture
async def site(database, broker):
    """(address, pipeline, node, broker): a station that measures, and the page that shows it."""
    node = enrol(database)
    store = Store(database)
    async with serving(database, broker) as (client, _):
        yield str(client.base_url).rstrip("/"), Pipeline(store, Flagger(), Detector(DetectionSettings())), node, broker
    await store.close()
    await asyncio.sleep(0)
