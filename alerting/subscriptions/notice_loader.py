"""Loads the facts of notices from the database and writes their texts, once for all contacts with one language.

psycopg.Error passes through.
"""

from collections import OrderedDict
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from msgspec import Struct, json, structs

from alerting.alert import Alert, Change
from alerting.rows import fetch_all, fetch_column, fetch_one, fetch_value
from alerting.sql import load_queries
from alerting.subscriptions.decision import NoticeReason, build_plume_alerts
from alerting.subscriptions.links import CONFIRM_VALIDITY, LinkPayload, LinkPurpose, build_url, sign_link
from alerting.subscriptions.notice_lease import NoticeLease
from alerting.subscriptions.notice_text import NoticeFacts, NoticeText, NoticeWriter
from alerting.subscriptions.settings import SubscriptionSettings
from alerting.subscriptions.subscription import PlaceKind, SubscriptionRow
from alerting.vocabulary import Language, texts_of

_QUERIES = load_queries(Path(__file__).with_name("delivery_worker.sql"))
_MAX_TEXTS = 256


class _PlumeAlertRow(Struct, frozen=True, kw_only=True):
    alert: str
    is_false_alarm: bool


class NoticeLoader:
    """The newest texts, by their subject."""

    def __init__(self, settings: SubscriptionSettings, public_url: str) -> None:
        self._writer, self._public_url = NoticeWriter(settings, public_url), public_url
        self._texts: OrderedDict[tuple[object, ...], NoticeText] = OrderedDict()

    async def load_text(
        self, lease: NoticeLease, keys: Mapping[int, bytes], connection: psycopg.AsyncConnection
    ) -> NoticeText | None:
        """Return the text; None if what it is about is not there any more."""
        if lease.reason is NoticeReason.CONFIRM:
            return await self._write_confirmation(lease, keys, connection)
        key = (lease.reason, lease.plume, lease.event_id, lease.revision, lease.lines, lease.language)
        text = self._texts.get(key)
        if text is None:
            text = await self._write(lease, connection)
            if text is None:
                return None
            self._texts[key] = text
            if len(self._texts) > _MAX_TEXTS:
                self._texts.popitem(last=False)
        return text

    async def _write(self, lease: NoticeLease, connection: psycopg.AsyncConnection) -> NoticeText | None:
        if lease.reason is NoticeReason.WELCOME:
            return self._writer.write_welcome(lease.language)
        if lease.reason is NoticeReason.SUMMARY:
            loaded = [
                await _load_facts(line.reason, line.plume, (line.event_id, line.revision), connection)
                for line in lease.lines
            ]
            facts = [item for item in loaded if item is not None]
            return self._writer.write_summary(facts, lease.language) if facts else None
        notice = await _load_facts(lease.reason, lease.plume, (lease.event_id, lease.revision), connection)
        return None if notice is None else self._writer.write_notice(notice, lease.language)

    async def _write_confirmation(
        self, lease: NoticeLease, keys: Mapping[int, bytes], connection: psycopg.AsyncConnection
    ) -> NoticeText | None:
        row = await fetch_one(
            connection, SubscriptionRow, _QUERIES["select_subscription"], {"id": lease.subscription_id}
        )
        if row is None:
            return None
        expires = int((datetime.now(UTC) + CONFIRM_VALIDITY).timestamp())
        payload = LinkPayload(contact=str(lease.contact_id), subscription=str(lease.subscription_id), expires=expires)
        token = sign_link(LinkPurpose.CONFIRM, payload, keys)
        url = build_url(self._public_url, lease.language, LinkPurpose.CONFIRM, token)
        return self._writer.write_confirmation(describe_place(row, lease.language), row.level, url, lease.language)


def describe_place(row: SubscriptionRow, language: Language) -> str:
    """Return the place of a subscription for people; `row.place` holds its name."""
    if row.place_kind != PlaceKind.CIRCLE.value:
        return row.place
    return texts_of("subscription", language)["circle"].format(
        radius=row.radius, latitude=row.latitude, longitude=row.longitude
    )


async def _load_facts(
    reason: NoticeReason, plume: str, lead: tuple[str, int], connection: psycopg.AsyncConnection
) -> NoticeFacts | None:
    event, revision = lead
    text = await fetch_value(connection, str, _QUERIES["select_alert"], {"event": event, "revision": revision})
    if text is None:
        return None
    lead_alert = json.decode(text, type=Alert)
    rows = await fetch_all(connection, _PlumeAlertRow, _QUERIES["select_plume_alerts"], {"plume": plume})
    false_events = {json.decode(row.alert, type=Alert).event_id for row in rows if row.is_false_alarm}
    others = [json.decode(row.alert, type=Alert) for row in rows]
    alerts = [lead_alert, *(alert for alert in others if alert.event_id != event)]
    alerts = [
        structs.replace(alert, change=Change.VOIDED) if alert.event_id in false_events else alert for alert in alerts
    ]
    cause = await fetch_value(connection, str, _QUERIES["select_false_alarm_cause"], {"plume": plume})
    receivers = await fetch_column(connection, str, _QUERIES["select_receivers"], {"plume": plume})
    return NoticeFacts(
        reason=reason,
        alert=alerts[0],
        plume=build_plume_alerts(plume, alerts),
        receivers=tuple(receivers),
        false_alarm_cause=cause or "",
    )
