"""Atom (RFC 4287), RSS 2.0 and JSON Feed 1.1 from the same entries, with GeoRSS points in the first two. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from xml.etree import ElementTree as ET

from msgspec import json

from gateway.model.timestamps import format_seconds

_ATOM, _GEORSS = "http://www.w3.org/2005/Atom", "http://www.georss.org/georss"
_NOT_XML = re.compile(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
ET.register_namespace("georss", _GEORSS)


@dataclass(frozen=True, kw_only=True)
class FeedEntry:
    """One event or alert. `id` never changes. `point`: latitude, longitude in degrees. `cap_link`: the event as CAP."""

    id: str
    link: str
    title: str
    text: str
    published: datetime
    updated: datetime
    point: tuple[float, float] | None = None
    cap_link: str | None = None


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Title, addresses, language and licence of a feed."""

    title: str
    url: str
    home: str
    language: str
    author: str
    rights: str


def add_element(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    """Append a child; characters that XML does not allow are dropped."""
    child = ET.SubElement(parent, name, {key: _NOT_XML.sub("", value) for key, value in attributes.items()})
    child.text = _NOT_XML.sub("", text) or None
    return child


def encode_document(root: ET.Element) -> bytes:
    """The document as UTF-8 with its XML declaration."""
    text: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return text


def build_atom(feed: Feed, entries: Sequence[FeedEntry]) -> bytes:
    """The feed as Atom."""
    root = ET.Element("feed", {"xmlns": _ATOM, "xml:lang": feed.language})
    add_element(root, "id", feed.url)
    add_element(root, "title", feed.title)
    add_element(root, "updated", format_seconds(_last_updated(entries)))
    add_element(root, "link", href=feed.url, rel="self", type="application/atom+xml")
    add_element(root, "link", href=feed.home, rel="alternate", type="text/html")
    add_element(root, "link", href=feed.rights, rel="license")
    add_element(add_element(root, "author"), "name", feed.author)
    for entry in entries:
        _add_atom_entry(root, entry)
    return encode_document(root)


def _add_atom_entry(root: ET.Element, entry: FeedEntry) -> None:
    element = add_element(root, "entry")
    add_element(element, "id", entry.id)
    add_element(element, "title", entry.title)
    add_element(element, "link", href=entry.link, rel="alternate", type="text/html")
    if entry.cap_link:
        add_element(element, "link", href=entry.cap_link, rel="alternate", type="application/cap+xml")
    add_element(element, "published", format_seconds(entry.published))
    add_element(element, "updated", format_seconds(entry.updated))
    add_element(element, "summary", entry.text)
    _add_point(element, entry)


def build_rss(feed: Feed, entries: Sequence[FeedEntry]) -> bytes:
    """The feed as RSS 2.0."""
    root = ET.Element("rss", {"version": "2.0", "xmlns:atom": _ATOM})
    channel = add_element(root, "channel")
    add_element(channel, "title", feed.title)
    add_element(channel, "link", feed.home)
    add_element(channel, "description", feed.title)
    add_element(channel, "language", feed.language)
    add_element(channel, "copyright", f"{feed.author}, {feed.rights}")
    add_element(channel, "lastBuildDate", format_datetime(_last_updated(entries)))
    add_element(channel, "atom:link", href=feed.url, rel="self", type="application/rss+xml")
    for entry in entries:
        _add_rss_item(channel, entry)
    return encode_document(root)


def _add_rss_item(channel: ET.Element, entry: FeedEntry) -> None:
    item = add_element(channel, "item")
    add_element(item, "title", entry.title)
    add_element(item, "link", entry.link)
    add_element(item, "guid", entry.id, isPermaLink="false")
    add_element(item, "pubDate", format_datetime(entry.published.astimezone(UTC)))
    add_element(item, "description", entry.text)
    _add_point(item, entry)


def _add_point(parent: ET.Element, entry: FeedEntry) -> None:
    if entry.point is not None:
        add_element(parent, f"{{{_GEORSS}}}point", f"{entry.point[0]:.3f} {entry.point[1]:.3f}")


def build_json_feed(feed: Feed, entries: Sequence[FeedEntry]) -> bytes:
    """The feed as JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1). `_piekwacht` has what the format lacks."""
    document = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": feed.title,
        "home_page_url": feed.home,
        "feed_url": feed.url,
        "language": feed.language,
        "authors": [{"name": feed.author}],
        "_piekwacht": {"licence": feed.rights},
        "items": [_build_json_item(entry) for entry in entries],
    }
    return json.encode(document)


def _build_json_item(entry: FeedEntry) -> dict[str, Any]:
    item: dict[str, Any] = {
        "id": entry.id,
        "url": entry.link,
        "title": entry.title,
        "content_text": entry.text,
        "date_published": format_seconds(entry.published),
        "date_modified": format_seconds(entry.updated),
    }
    if entry.cap_link:
        item["attachments"] = [{"url": entry.cap_link, "mime_type": "application/cap+xml"}]
    if entry.point is not None:
        item["_piekwacht"] = {"latitude": round(entry.point[0], 3), "longitude": round(entry.point[1], 3)}
    return item


def _last_updated(entries: Sequence[FeedEntry]) -> datetime:
    return max((entry.updated for entry in entries), default=datetime(2000, 1, 1, tzinfo=UTC)).astimezone(UTC)
