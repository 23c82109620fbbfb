"""The demo with what the pictures need: a resident who subscribed, a peak, and the mails about it.

Ends with a sentence if a step is not done in time.
"""

import asyncio
import base64
import email
import email.policy
import io
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import psycopg
from playwright.sync_api import Page
from rich.console import Console
from rich.terminal_theme import MONOKAI

from gateway.access.accounts import Accounts
from gateway.access.identity import Role
from gateway.demo import terminal
from gateway.demo.config import AREA
from gateway.demo.receivers import ReceivedNotification
from gateway.demo.run import Demo, Options, open_folder
from gateway.system.child_process import find_free_port

T = TypeVar("T")
RESIDENT = "bewoner@example.org"
OPERATOR = "beheerder@example.org"
STATION = "wijk-aan-zee-dorp"
_MAILS = "SELECT content FROM alerting.sent WHERE position('Message-ID'::bytea IN content) > 0"
_OPEN_PLUME = """
SELECT o.event_id, e.plume_id FROM alerting.outbox o JOIN event e ON e.id = o.event_id
WHERE o.state = 'delivered' AND e.onset < now() - interval '6 seconds' ORDER BY o.id DESC LIMIT 1"""


@dataclass(frozen=True, kw_only=True)
class Addresses:
    """The pages that a picture can show.

    `site` has no slash at its end. `event` and `plume` are ids: of a peak that an inspectorate was notified of. `node`:
    the id of a node that sends.
    `mail`, `notice` and `terminal` are files: the newest alert mail, the resident's mail, the screen of the demo.
    """

    site: str
    station: str
    event: str
    plume: str
    node: str
    mailbox: str
    mail: str
    notice: str
    terminal: str
    log: str


class Stage:
    """A running demo. `folder`: of the files that are photographed."""

    def __init__(self, demo: Demo, folder: Path) -> None:
        self._demo, self._folder = demo, folder

    def subscribe_resident(self, page: Page) -> None:
        """Fill in the form, open the link of the mail, and press the button, as a resident does."""
        page.goto(f"{self._demo.address}/nl/waarschuw-mij")
        page.fill("#email", RESIDENT)
        page.select_option("#place", "area:ijmond")
        page.uncheck("input[name=quiet]")
        page.click("#subscribe button:not([type])")
        mail = self._wait_for(self._find_mail, "mail that asks the resident to confirm")
        link = next(line for line in mail.body.splitlines() if "/bevestigen/" in line)
        page.goto(link.strip())
        page.click("main button")

    def wait_for_peak(self) -> None:
        """Wait until the inspectorate and the resident have a mail about an open peak."""
        self._wait_for(self._find_mail_html, "mail to the inspectorate")
        self._wait_for(self._find_plume, "peak")
        self._wait_for(lambda: self._find_mail(number=2), "notice to the resident")

    def sign_in(self, page: Page) -> None:
        """Sign in as the demo's inspector."""
        login = self._demo.login or sys.exit("the demo has no inspector")
        with psycopg.connect(self._demo.dsn, autocommit=True) as connection:
            connection.execute("UPDATE access.account SET totp_used = 0")  # else this code would work only once
        page.goto(f"{self._demo.address}/account")
        page.fill("#name", login.name)
        page.fill("#password", login.password)
        page.fill("#code", login.code_at(datetime.now(UTC)))
        page.click("button")
        page.wait_for_load_state()

    def sign_in_operator(self, page: Page) -> None:
        """Sign in as an operator of the demo's area, whom the demo itself does not have."""
        accounts = Accounts(self._demo.dsn)

        async def begin_session() -> str:
            await accounts.put_account(OPERATOR, Role.OPERATOR, [AREA], None)
            return (await accounts.sign_in_as(OPERATOR, 600.0))[1] or ""

        with ThreadPoolExecutor() as pool:  # Playwright has an event loop in this thread
            token = pool.submit(lambda: asyncio.run(begin_session())).result()
        page.context.add_cookies([{"name": "piekwacht", "value": token, "url": self._demo.address}])

    def find_addresses(self) -> Addresses:
        """The addresses now, with the files made anew."""
        event, plume = self._find_plume() or sys.exit("the peak is not in the database any more")
        notice = self._find_mail(number=2) or sys.exit("the resident has no notice")
        return Addresses(
            site=self._demo.address,
            station=STATION,
            event=event,
            plume=plume,
            node=self._find_node(),
            mailbox=self._demo.mailbox_url,
            mail=self._write("mail.html", self._find_mail_html() or ""),
            notice=self._write("notice.html", _notice_as_page(notice)),
            terminal=self._write("terminal.html", self._draw_terminal()),
            log=str(self._folder / "gateway.log"),
        )

    def _find_plume(self) -> tuple[str, str] | None:
        with psycopg.connect(self._demo.dsn) as connection:
            row: tuple[str, str] | None = connection.execute(_OPEN_PLUME).fetchone()
            return row

    def _find_node(self) -> str:
        with psycopg.connect(self._demo.dsn) as connection:
            row = connection.execute(
                "SELECT node_id FROM node_status ORDER BY last_seen DESC NULLS LAST LIMIT 1"
            ).fetchone()
        return str(row[0]) if row else sys.exit("no node has sent anything")

    def _find_mail_html(self) -> str | None:
        with psycopg.connect(self._demo.dsn) as connection:
            mails = [content for (content,) in connection.execute(_MAILS)]
        return mail_as_page(max(mails, key=len)) if mails else None

    def _find_mail(self, number: int = 1) -> ReceivedNotification | None:
        """The resident's mail with this number, from 1."""
        mails = [item for item in self._demo.load_state().received if RESIDENT in item.to]
        return mails[number - 1] if len(mails) >= number else None

    def _draw_terminal(self) -> str:
        console = Console(
            record=True,
            width=150,
            height=36,
            file=io.StringIO(),
            force_terminal=True,
            color_system="truecolor",
            _environ={},
        )
        console.print(terminal.render(self._demo.load_state(), width=console.width, height=console.height))
        return console.export_html(theme=MONOKAI, inline_styles=True)

    def _write(self, name: str, html: str) -> str:
        path = self._folder / name
        path.write_text(html, encoding="utf-8")
        return path.as_uri()

    def _wait_for(self, find: Callable[[], T | None], expected: str) -> T:
        deadline = time.monotonic() + 240
        while time.monotonic() < deadline:
            result = find()
            if result is not None:
                return result
            time.sleep(0.5)
        sys.exit(f"no {expected} within 240 s: run `piekwacht demo` and see what it prints")


@contextmanager
def run_demo() -> Iterator[Stage]:
    """The demo on a free port; it ends with its reconciliation."""
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder(None))
        demo = Demo(Options(port=find_free_port()), folder, stack)
        demo.start()
        yield Stage(demo, folder)
        demo.finish()


def mail_as_page(content: bytes) -> str:
    """HTML of a mail, with its chart inside."""
    message = email.message_from_bytes(content, policy=email.policy.default)
    html = message.get_body(("html",)).get_content()
    for part in message.walk():
        if part.get_content_maintype() == "image":
            picture = base64.b64encode(part.get_content()).decode()
            html = html.replace(f"cid:{part['Content-ID'].strip('<>')}", f"data:image/png;base64,{picture}")
    return html


def _notice_as_page(notice: ReceivedNotification) -> str:
    """A mail without HTML, as a mail program shows it."""
    body = notice.body.replace("&", "&amp;").replace("<", "&lt;")
    return (
        '<!doctype html><html lang="nl"><meta charset="utf-8"><style>body { margin: 1rem; font: 16px/1.4 sans-serif } '
        "pre { white-space: pre-wrap; overflow-wrap: anywhere; font: 13px/1.45 monospace } h1 { font-size: 1.2rem }"
        f"</style><title>mail</title><h1>{notice.title}</h1><pre>{body}</pre></html>"
    )
