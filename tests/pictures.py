"""`make pictures`: run the demo and make the pictures in docs/images anew.

These are home, a station, an event and the status on a phone, on a desk and dark; the map, an alert mail and the
terminal of README.md.
"""

import asyncio
import base64
import email.policy
import io
import shutil
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import psycopg
from PIL import Image
from playwright.async_api import Page, ViewportSize, async_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI

from gateway.demo import terminal
from gateway.demo.run import Demo, Options, _open_folder
from gateway.system.child_process import find_free_port

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
MAP_SIZE: ViewportSize = {"width": 1280, "height": 900}
MAIL_SIZE: ViewportSize = {"width": 720, "height": 820}
TERMINAL_SIZE: ViewportSize = {"width": 1200, "height": 580}
PHONE_SIZE: ViewportSize = {"width": 390, "height": 844}
LOOKS = {"phone": (PHONE_SIZE, "light"), "desktop": (MAP_SIZE, "light"), "dark": (MAP_SIZE, "dark")}
MAX_BYTES = 150_000  # of a picture
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
MAILS = "SELECT content FROM alerting.sent WHERE position('Message-ID'::bytea IN content) > 0"
NOTIFIED_EVENT = "SELECT event_id FROM alerting.outbox WHERE state = 'delivered' ORDER BY id DESC LIMIT 1"
OPEN_EVENTS = "SELECT count(*) FROM event WHERE onset < now() - interval '6 seconds'"


def wait_for_peak(demo: Demo) -> tuple[bytes, str]:
    """Return the bytes of a mail that was sent, some seconds after a peak began, and the id of an event."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        with psycopg.connect(demo._dsn) as connection:
            mails = [row[0] for row in connection.execute(MAILS)]
            if mails and connection.execute(OPEN_EVENTS).fetchone()[0]:
                return max(mails, key=len), connection.execute(NOTIFIED_EVENT).fetchone()[0]
        time.sleep(0.5)
    sys.exit("no alert mail within 150 s: run `piekwacht demo` and see what it prints")


def mail_as_page(content: bytes) -> str:
    """HTML of a mail, with its chart inside."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()
    for part in message.walk():
        if part.get_content_maintype() == "image":
            picture = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:image/png;base64,{picture}")
    return html


async def take(page: Page, name: str, *, size: ViewportSize, url: str = "", html: str = "") -> None:
    """Photograph an address, or a text as a page; mails and screens in their whole length."""
    await page.set_viewport_size(size)
    if url:
        response = await page.goto(url)
        if response is None or not response.ok:
            sys.exit(f"{url} answers {response and response.status}: see the log of the demo")
        await page.wait_for_timeout(4_000)
    else:
        await page.set_content(html)
    save_small(await page.screenshot(full_page=not url), IMAGES / name)


def save_small(content: bytes, path: Path) -> None:
    """Write a picture with as many colours as MAX_BYTES allows. Exits if not even 16 fit."""
    picture = Image.open(io.BytesIO(content)).convert("RGB")
    for colours in (256, 128, 64, 32, 16):
        small = io.BytesIO()
        picture.quantize(colours, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
        if len(small.getvalue()) <= MAX_BYTES:
            path.write_bytes(small.getvalue())
            return
    sys.exit(f"{path.name} has more than {MAX_BYTES} bytes with 16 colours")


def list_pages(event: str) -> dict[str, str]:
    """Name of a picture -> address below the language; `event` is one that an inspectorate was notified of."""
    return {
        "home": "",
        "station": "stations/wijk-aan-zee-dorp?period=day",
        "event": f"events/{event}",
        "status": "status",
    }


async def take_all(address: str, event: str, mail: bytes, screen: str) -> None:
    """Make every picture: each page on a phone, on a desk and dark; map, mail and terminal of README.md."""
    program = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("apt install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        for look, (size, scheme) in LOOKS.items():
            context = await chromium.new_context(locale="nl-NL", timezone_id="Europe/Amsterdam", color_scheme=scheme)
            page = await context.new_page()
            for name, path in list_pages(event).items():
                await take(page, f"{name}-{look}.png", size=size, url=f"{address}/nl/{path}")
            await context.close()
        page = await chromium.new_page(locale="nl-NL", timezone_id="Europe/Amsterdam")
        await take(page, "map.png", size=MAP_SIZE, url=f"{address}/nl/")
        await take(page, "mail.png", size=MAIL_SIZE, html=mail_as_page(mail))
        await take(page, "terminal.png", size=TERMINAL_SIZE, html=screen)
        await chromium.close()


def main() -> None:
    port = find_free_port()
    with ExitStack() as stack:
        folder = stack.enter_context(_open_folder(None))
        demo = Demo(Options(port=port, nodes=12, speed=1.0, replay=None, data_dir=None, duration=None), folder, stack)
        demo.start()
        mail, event = wait_for_peak(demo)
        console = Console(
            record=True,
            width=150,
            height=36,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
            _environ={},
        )
        console.print(terminal.render(demo.load_state(), width=console.width, height=console.height))
        screen = console.export_html(theme=MONOKAI, inline_styles=True)
        asyncio.run(take_all(f"http://127.0.0.1:{port}", event, mail, screen))
        demo.finish()


if __name__ == "__main__":
    main()
