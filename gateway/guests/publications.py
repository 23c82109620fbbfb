"""Messages that guests publish to the broker of the gateway. Ingest has the connection; this knows the topics.

A message is in the inbox before the session acknowledges it. Several guests may share a filter, such as all devices of
one application of The Things Stack; the message itself then shows whose it is.
"""

import asyncio
from collections.abc import Iterable, Sequence

import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.adapters.foreign import ForeignMessage
from gateway.guests.guest import Guest
from gateway.guests.inbox import REPEAT_OF_PUBLICATION
from gateway.guests.receiver import GuestReceiver, ReceiptState
from gateway.guests.reception import ReceptionReason, judge_message
from gateway.mqtt.packets import Message

_LOG = get_logger("gateway.guests")


class GuestPublications:
    """Receives for the guests of some areas; "*" stands for all."""

    def __init__(self, receiver: GuestReceiver, areas: Sequence[str], *, retry_seconds: float) -> None:
        self._receiver, self._areas, self._retry_seconds = receiver, frozenset(areas), retry_seconds

    async def list_filters(self) -> set[str]:
        """Return the topic filters of the guests; empty while the database does not answer."""
        try:
            guests = await self._list_guests()
        except psycopg.Error as error:
            _LOG.warning("guests not loaded", error=one_line(error))
            return set()
        return {guest.topic for guest in guests if guest.topic is not None}

    async def store(self, messages: Iterable[Message]) -> None:
        """Return once each message of a guest is committed; waits as long as the database does not answer."""
        await asyncio.gather(*(self._store(message) for message in messages))

    async def _store(self, message: Message) -> None:
        while True:
            try:
                guest = await self._find_guest(message)
                if guest is None:
                    return
                receipt = await self._receiver.receive(
                    guest, message.payload, headers={}, topic=message.topic, repeat=REPEAT_OF_PUBLICATION
                )
            except psycopg.Error as error:
                _LOG.warning("guests not loaded", error=one_line(error))
            else:
                if receipt.state is not ReceiptState.UNAVAILABLE:
                    return
            await asyncio.sleep(self._retry_seconds)

    async def _find_guest(self, message: Message) -> Guest | None:
        """Return the guest of a message; of one that no guest's device sent, the only guest of the topic."""
        candidates = [
            guest
            for guest in await self._list_guests()
            if guest.topic is not None and matches_filter(guest.topic, message.topic)
        ]
        if len(candidates) < 2:
            return next(iter(candidates), None)
        foreign = ForeignMessage(body=message.payload, topic=message.topic)
        receptions = ((guest, judge_message(guest, foreign).reason) for guest in candidates)
        return next((guest for guest, reason in receptions if reason is not ReceptionReason.OTHER_DEVICE), None)

    async def _list_guests(self) -> list[Guest]:
        guests = await self._receiver.list_guests()
        return [guest for guest in guests if "*" in self._areas or guest.area in self._areas]


def matches_filter(topic_filter: str, topic: str) -> bool:
    """Whether a topic matches a filter of MQTT with `+` and `#` (MQTT 3.1.1, 4.7)."""
    filter_levels, levels = topic_filter.split("/"), topic.split("/")
    if filter_levels[-1] == "#":
        filter_levels, levels = filter_levels[:-1], levels[: len(filter_levels) - 1]
    return len(filter_levels) == len(levels) and all(
        filter_level in {"+", level} for filter_level, level in zip(filter_levels, levels, strict=True)
    )


def find_filter_problem(topic_filter: str) -> str | None:
    """Return why a gateway cannot subscribe to a filter for guests, None if it can."""
    levels = topic_filter.split("/")
    if not topic_filter or len(topic_filter) > 200 or "\0" in topic_filter:
        return "a topic has 1 to 200 characters"
    if levels[0] in {"pw", "+", "#"} or topic_filter.startswith("$"):
        return "the topic of a guest begins with a name other than pw, so that it holds no message of a node"
    if "#" in levels[:-1] or any(("#" in level or "+" in level) and len(level) > 1 for level in levels):
        return "+ and # stand alone between slashes, and # only at the end"
    return None
