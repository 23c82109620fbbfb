"""Atom (RFC 4287) and RSS 2.0 from the same entries, with GeoRSS points. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from xml.etree import ElementTree as ET

_ATOM, _GEORSS = "http://www.w3.org/2005/Atom", "http://www.georss.org/georss"
_NEVER = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ET.register_namespace("georss", _GEORSS)


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One thing that is told. `id` never changes; `also` is the same in another form; `point` latitude, longitude."""

    id: str
    link: str
    title: str
    text: str
    published: datetime
    updated: datetime
    point: tuple[float, float] | None = None
    also: str | None = None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """What the entries are part of."""

    title: str
    address: str
    home: str
    language: str
    author: str
    rights: str


def put(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    """A child with text that XML can hold."""
    child = ET.SubElement(parent, name, {key: _NEVER.sub("", value) for key, value in attributes.items()})
    child.text = _NEVER.sub("", text) or None
    return child


def written(root: ET.Element) -> bytes:
    """The whole document."""
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def atom(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """As Atom."""
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": feed.language})
    put(root, "id", feed.address)
    put(root, "title", feed.title)
    put(root, "updated", _instant(_newest(entries)))
    put(root, "link", href=feed.address, rel="self", type="application/atom+xml")
    put(root, "link", href=feed.home, rel="alternate", type="text/html")
    put(root, "link", href=feed.rights, rel="license")
    put(put(root, "author"), "name", feed.author)
    for one in entries:
        entry = put(root, "entry")
        put(entry, "id", one.id)
        put(entry, "title", one.title)
        put(entry, "link", href=one.link, rel="alternate", type="text/html")
        if one.also:
            put(entry, "link", href=one.also, rel="alternate", type="application/cap+xml")
        put(entry, "published", _instant(one.published))
        put(entry, "updated", _instant(one.updated))
        put(entry, "summary", one.text)
        _point(entry, one)
    return written(root)


def rss(feed: Feed, entries: Sequence[Entry]) -> bytes:
    """As RSS 2.0."""
    root = ET.Element("rss", {"version": "2.0", "xmlns:atom": _ATOM})
    channel = put(root, "channel")
    put(channel, "title", feed.title)
    put(channel, "link", feed.home)
    put(channel, "description", feed.title)
    put(channel, "language", feed.language)
    put(channel, "copyright", f"{feed.author}, {feed.rights}")
    put(channel, "lastBuildDate", format_datetime(_newest(entries)))
    put(channel, "atom:link", href=feed.address, rel="self", type="application/rss+xml")
    for one in entries:
        item = put(channel, "item")
        put(item, "title", one.title)
        put(item, "link", one.link)
        put(item, "guid", one.id, isPermaLink="false")
        put(item, "pubDate", format_datetime(one.published.astimezone(UTC)))
        put(item, "description", one.text)
        _point(item, one)
    return written(root)


def _point(parent: ET.Element, one: Entry) -> None:
    if one.point is not None:
        put(parent, f"{{{_GEORSS}}}point", f"{one.point[0]:.3f} {one.point[1]:.3f}")


def _newest(entries: Sequence[Entry]) -> datetime:
    return max((one.updated for one in entries), default=datetime(2000, 1, 1, tzinfo=UTC)).astimezone(UTC)


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
