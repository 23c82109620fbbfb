"""The page of a witness for people: name, key, logs, newest heads, and heads that contradict each other.

Texts are in the catalogue of the gateway, context `witness`; they are read with gettext alone, so that the page needs
no other package.
"""

import gettext
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from pathlib import Path

from msgspec import Struct

from gateway.witness.decision import CosignedHead
from gateway.witness.state import Conflict, ConflictKind

_LOCALE = Path(__file__).parents[1] / "locale"
_VIEWPORT = '<meta name="viewport" content="width=device-width">'
_STYLE = (
    "body{font:1rem/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem}"
    "code,pre{overflow-wrap:anywhere;white-space:pre-wrap}table{border-collapse:collapse}"
    "th,td{text-align:left;padding:.3rem .8rem .3rem 0;vertical-align:top}"
    ".fork{border:.2rem solid #b00020;padding:0 1rem}"
)


class LogSummary(Struct, frozen=True, kw_only=True):
    """A log that the witness knows, and the newest head that it signed."""

    origin: str
    newest: CosignedHead | None


class WitnessSummary(Struct, frozen=True, kw_only=True):
    """All that the page shows."""

    name: str
    key: str
    logs: Sequence[LogSummary]
    conflicts: Sequence[Conflict]

    def select_conflicts(self, kind: ConflictKind) -> list[Conflict]:
        """Return the conflicts of one kind."""
        return [conflict for conflict in self.conflicts if conflict.kind is kind]


def render_page(summary: WitnessSummary, accepted_languages: str) -> bytes:
    """Return the page in HTML: in English if the reader prefers it to Dutch, else in Dutch."""
    language = choose_language(accepted_languages)
    texts = _Texts(language)
    parts = [
        f"<h1>{escape(summary.name)}</h1><p>{texts['lead']}</p>",
        *(_render_conflicts(kind, summary, texts) for kind in ConflictKind if summary.select_conflicts(kind)),
        f"<h2>{texts['key']}</h2><p><code>{escape(summary.key)}</code></p>",
        f"<h2>{texts['logs']}</h2><table><tr><th>{texts['log']}</th><th>{texts['size']}</th><th>{texts['time']}</th></tr>",
        *(_render_log(log, texts) for log in summary.logs),
        "</table>",
    ]
    head = f'<!doctype html><html lang="{language}"><meta charset="utf-8">{_VIEWPORT}<style>{_STYLE}</style>'
    return f"{head}<title>{escape(summary.name)}</title><main>{''.join(parts)}</main></html>\n".encode()


def choose_language(accepted: str) -> str:
    """Return `en` if the header Accept-Language names English before Dutch, else `nl`."""
    names = [part.partition(";")[0].strip().lower()[:2] for part in accepted.split(",")]
    return next((name for name in names if name in {"nl", "en"}), "nl")


def format_time(seconds: int) -> str:
    """Seconds since 1970 -> RFC 3339 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _render_log(log: LogSummary, texts: "_Texts") -> str:
    if log.newest is None:
        return f"<tr><td>{escape(log.origin)}</td><td>-</td><td>{texts['none_yet']}</td></tr>"
    time = format_time(log.newest.cosigned_at)
    return f"<tr><td>{escape(log.origin)}</td><td>{log.newest.size}</td><td><time>{time}</time></td></tr>"


def _render_conflicts(kind: ConflictKind, summary: WitnessSummary, texts: "_Texts") -> str:
    notes = "".join(
        f"<h3>{escape(conflict.origin)}, {format_time(conflict.received_at)}</h3>"
        f"<pre>{_escape_note(conflict.signed_note)}</pre><pre>{_escape_note(conflict.note)}</pre>"
        for conflict in summary.select_conflicts(kind)
    )
    return f'<section class="{kind}"><h2>{texts[kind]}</h2><p>{texts[kind + "_meaning"]}</p>{notes}</section>'


def _escape_note(note: bytes) -> str:
    return escape(note.decode("utf-8", "replace"))


class _Texts:
    def __init__(self, language: str) -> None:
        self._translations = _load(language)

    def __getitem__(self, key: str) -> str:
        return self._translations.pgettext("witness", key)


@cache
def _load(language: str) -> gettext.NullTranslations:
    return gettext.translation("gateway", _LOCALE, [language])
