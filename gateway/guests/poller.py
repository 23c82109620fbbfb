"""Polls guests that send nothing, such as a PurpleAir, and stores their answers as if they had posted them."""

import asyncio
from collections.abc import Sequence
from typing import NoReturn

import httpx
import psycopg

from alerting.errors import one_line
from alerting.log import get_logger
from gateway.guests.guest import MAX_BODY_BYTES, Guest
from gateway.guests.receiver import GuestReceiver, ReceiptState
from gateway.guests.telemetry import POLLS

_LOG = get_logger("gateway.guests")
_TIMEOUT = 10.0  # s
_MAX_POLLS = 10  # at once


class UnreadableAnswerError(Exception):
    """A polled address gave no answer that can be stored."""


async def poll_guests(receiver: GuestReceiver, areas: Sequence[str], seconds: float) -> NoReturn:
    """Poll the guests of these areas ("*": all) every so many seconds, until cancelled."""
    async with httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False) as client:
        while True:
            try:
                guests = [guest for guest in await receiver.list_guests() if guest.poll_url is not None]
            except psycopg.Error as error:
                _LOG.warning("guests not loaded", error=one_line(error))
                guests = []
            limit = asyncio.Semaphore(_MAX_POLLS)
            chosen = [guest for guest in guests if "*" in areas or guest.area in areas]
            await asyncio.gather(*(_poll(receiver, client, guest, limit) for guest in chosen))
            await asyncio.sleep(seconds)


async def _poll(receiver: GuestReceiver, client: httpx.AsyncClient, guest: Guest, limit: asyncio.Semaphore) -> None:
    async with limit:
        try:
            body = await _read(client, guest.poll_url or "")
        except (httpx.HTTPError, httpx.InvalidURL, UnreadableAnswerError) as error:
            POLLS.labels("unreachable").inc()
            _LOG.warning("guest not polled", node=guest.node, error=one_line(error))
            return
    receipt = await receiver.receive(guest, body, headers={}, topic="")
    is_stored = receipt.state in {ReceiptState.STORED, ReceiptState.REPEATED}
    POLLS.labels("stored" if is_stored else receipt.state.value).inc()
    if not is_stored:
        _LOG.warning("guest not polled", node=guest.node, error=receipt.detail)


async def _read(client: httpx.AsyncClient, url: str) -> bytes:
    async with client.stream("GET", url) as response:
        if response.status_code != 200:
            raise UnreadableAnswerError(f"{url} answers {response.status_code}")
        body = b""
        async for part in response.aiter_bytes():
            body += part
            if len(body) > MAX_BODY_BYTES:
                raise UnreadableAnswerError(f"{url} answers more than {MAX_BODY_BYTES} bytes")
        return body
