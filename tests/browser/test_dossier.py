"""The document of a dossier in a browser: accessible, on a screen and on a telephone, without any other file."""

import pytest

from gateway.dossier.build import build_dossier
from gateway.dossier.request import EventRequest
from tests.browser.conftest import PHONE, WIDE, find_violations, save_screenshot
from tests.gateway.dossier.conftest import PUBLISHER, fill, unpack

pytestmark = [pytest.mark.browser, pytest.mark.slow]


async def test_the_document_is_accessible_and_loads_nothing(browser, axe, database, tmp_path):
    peak = await fill(database, begin=1_500, minutes=4, after=300)
    dossier = await build_dossier(database, EventRequest(event=peak), PUBLISHER)
    path = tmp_path / "dossier.html"
    path.write_bytes(unpack(dossier.content)["data/dossier.html"])
    for name, viewport in (("wide", WIDE), ("phone", PHONE)):
        page = await browser.new_page(viewport=viewport)
        requests = []
        page.on("request", lambda request, requests=requests: requests.append(request.url))
        await page.goto(path.as_uri())
        await save_screenshot(page, f"dossier-{name}")
        assert await find_violations(page, axe) == []
        assert [url[:60] for url in requests if not url.startswith("data:")] == [path.as_uri()[:60]]
        await page.close()
