"""Clients of Luchtmeetnet's open API and of KNMI's EDR API. Called by `piekwacht context fetch`.

A station that fails costs only itself: the caller gets a ContextError with one sentence. Answers are bounded, redirects
are not followed, and the key of KNMI stands in no sentence.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import httpx

from alerting.errors import one_line
from gateway.context.knmi import PARAMETERS, parse_coverage
from gateway.context.luchtmeetnet import parse_page
from gateway.context.settings import ContextSettings, ContextStation
from gateway.context.values import ContextError, ContextSource, ContextValue

_TIMEOUT = 20.0  # s
_MAX_BYTES = 8_000_000
_MAX_PAGES = 100
_COLLECTION = "10-minute-in-situ-meteorological-observations"


class ContextClient:
    """Fetches values of stations. Use it as an async context manager."""

    def __init__(self, settings: ContextSettings) -> None:
        self._settings = settings
        self._http = httpx.AsyncClient(timeout=_TIMEOUT, follow_redirects=False, headers={"Accept": "application/json"})

    async def __aenter__(self) -> Self:
        await self._http.__aenter__()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._http.aclose()

    async def fetch(self, station: ContextStation, period: tuple[datetime, datetime]) -> list[ContextValue]:
        """Return the values of a station that lie in a period. Raises ContextError."""
        if station.source is ContextSource.KNMI:
            values = await self._fetch_knmi(station, period)
        else:
            values = await self._fetch_luchtmeetnet(station, period)
        return [value for value in values if period[0] <= value.start < period[1]]

    async def _fetch_luchtmeetnet(
        self, station: ContextStation, period: tuple[datetime, datetime]
    ) -> list[ContextValue]:
        address = f"{self._settings.luchtmeetnet_url}/stations/{station.id}/measurements"
        parameters = {
            "start": _format(period[0]),
            "end": _format(period[1]),
            "order_by": "timestamp_measured",
            "order_direction": "desc",
        }
        values, number, last_page = list[ContextValue](), 1, 1
        while number <= last_page:
            page = parse_page(await self._get(address, {**parameters, "page": str(number)}, {}), station.id)
            values += page.values
            last_page = page.last_page
            if last_page > _MAX_PAGES:
                raise ContextError(f"{address} has {last_page} pages; fetch a shorter period")
            number += 1
        return values

    async def _fetch_knmi(self, station: ContextStation, period: tuple[datetime, datetime]) -> list[ContextValue]:
        if self._settings.knmi_key_file is None:
            raise ContextError("KNMI asks for a key: put its file into [context] knmi_key_file")
        address = f"{self._settings.knmi_url}/collections/{_COLLECTION}/locations/{station.id}"
        parameters = {
            "datetime": f"{_format(period[0])}/{_format(period[1])}",
            "parameter-name": ",".join(PARAMETERS),
        }
        key = _read_key(self._settings.knmi_key_file)
        return parse_coverage(await self._get(address, parameters, {"Authorization": key}), station.id)

    async def _get(self, address: str, parameters: Mapping[str, str], headers: Mapping[str, str]) -> bytes:
        body = b""
        try:
            async with self._http.stream("GET", address, params=parameters, headers=headers) as response:
                if response.status_code in {401, 403}:
                    raise ContextError(f"{address} answers {response.status_code}: the key is not accepted")
                if response.status_code == 404:
                    raise ContextError(f"{address} answers 404: is the id of the station right?")
                if response.status_code == 429:
                    raise ContextError(f"{address} answers 429: too many requests; try again later")
                if response.status_code != 200:
                    raise ContextError(f"{address} answers {response.status_code}")
                async for part in response.aiter_bytes():
                    body += part
                    if len(body) > _MAX_BYTES:
                        raise ContextError(f"{address} answers more than {_MAX_BYTES} bytes; fetch a shorter period")
        except httpx.HTTPError as error:
            raise ContextError(f"{address} does not answer: {one_line(error) or type(error).__name__}") from None
        return body


def _format(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _read_key(path: Path) -> str:
    try:
        key = path.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise ContextError(f"{path}: the key of KNMI cannot be read") from None
    if not key or not key.isprintable():
        raise ContextError(f"{path}: the key of KNMI is empty or no key")
    return key
