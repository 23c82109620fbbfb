"""`make pictures`: run the demo and make the pictures of README.md anew: the map, an alert mail, the terminal."""

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
from playwright.async_api import Page, async_playwright
from rich.console import Console
from rich.terminal_theme import MONOKAI

from gateway.demo import terminal
from gateway.demo.run import Demo, Options, _open_folder
from gateway.system.child_process import find_free_port

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
MAP_SIZE, MAIL_SIZE = {"width": 1280, "height": 900}, {"width": 720, "height": 820}
TERMINAL_SIZE = {"width": 1200, "height": 580}
FLAGS = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
MAILS = "SELECT content FROM alerting.sent WHERE position('Message-ID'::bytea IN content) > 0"
OPEN_EVENTS = "SELECT count(*) FROM event WHERE onset < now() - interval '6 seconds'"


def wait_for_peak(demo: Demo) -> bytes:
    """Return the bytes of a mail that was sent, some seconds after a peak began."""
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline:
        with psycopg.connect(demo._dsn) as connection:
            mails = [row[0] for row in connection.execute(MAILS)]
            if mails and connection.execute(OPEN_EVENTS).fetchone()[0]:
                return max(mails, key=len)
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


async def take(page: Page, name: str, *, size: dict[str, int], url: str = "", html: str = "") -> None:
    await page.set_viewport_size(size)
    if url:
        await page.goto(url)
        await page.wait_for_timeout(4_000)
    else:
        await page.set_content(html)
    await page.screenshot(path=IMAGES / name, full_page=not url)


async def take_all(address: str, mail: bytes, screen: str) -> None:
    program = shutil.which("chromium") or shutil.which("chromium-browser") or sys.exit("apt install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=program, args=FLAGS)
        page = await chromium.new_page(locale="nl-NL")
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
        mail = wait_for_peak(demo)
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
        asyncio.run(take_all(f"http://127.0.0.1:{port}", mail, screen))
        demo.finish()


if __name__ == "__main__":
    main()
