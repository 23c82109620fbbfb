"""Opens the page of each picture in Chromium and writes it as a small PNG. Ends with a sentence if a page fails."""

import io
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from tests.pictures.picture import MAX_BYTES, Look, Picture
from tests.pictures.stage import Addresses, Stage

_FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
LOCALES = {"nl": "nl-NL", "en": "en-GB"}
_SETTLING_TIME = 3_000  # ms: charts are drawn and the first live values are in
_COLOURS = (256, 128, 64, 32, 16)


@contextmanager
def open_browser(language: str) -> Iterator[Browser]:
    """Chromium of this machine. Its own language decides how the fields of a form show dates and times."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("run: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=[*_FLAGS, f"--lang={LOCALES[language]}"])
        yield browser
        browser.close()


@contextmanager
def open_page(browser: Browser, look: Look, language: str) -> Iterator[Page]:
    """A page with its own cookies and storage: a policy or a chosen place of one picture does not reach the next."""
    context = browser.new_context(
        viewport=look.size,
        color_scheme="dark" if look.is_dark else "light",
        locale=LOCALES[language],
        timezone_id="Europe/Amsterdam",
    )
    context.set_default_timeout(30_000)
    yield context.new_page()
    context.close()


def take_all(browser: Browser, pictures: Sequence[Picture], stage: Stage) -> None:
    """Make these pictures in their order."""
    addresses = stage.find_addresses()
    for picture in pictures:
        with open_page(browser, picture.look, picture.language) as page:
            if picture.needs_staff and picture.as_operator:
                stage.sign_in_operator(page)
            elif picture.needs_staff:
                stage.sign_in(page)
            take(page, picture, addresses)


def take(page: Page, picture: Picture, addresses: Addresses) -> None:
    """Make one picture."""
    address = picture.address.format(**asdict(addresses))
    response = page.goto(address)
    if response is not None and not response.ok:
        sys.exit(f"{picture.file}: {address} answers {response.status}; see {addresses.log}\n{response.text()[:500]}")
    page.wait_for_timeout(_SETTLING_TIME)
    if picture.prepare is not None:
        picture.prepare(page)
    if picture.top:
        page.locator(picture.top).first.evaluate("part => part.scrollIntoView({ block: 'start' })")
        page.wait_for_timeout(500)
    if picture.only:
        content = page.locator(picture.only).first.screenshot()
    else:
        content = page.screenshot(full_page=picture.is_whole)
    picture.path.parent.mkdir(parents=True, exist_ok=True)
    picture.path.write_bytes(make_small(content, picture.file))


def make_small(content: bytes, name: str) -> bytes:
    """The picture as PNG with as many colours as MAX_BYTES allows. Exits if not even 16 fit."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for colours in _COLOURS:
        small = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if len(small.getvalue()) <= MAX_BYTES:
            return small.getvalue()
    sys.exit(f"{name} has more than {MAX_BYTES} bytes with {_COLOURS[-1]} colours: choose a smaller part with `only`")
