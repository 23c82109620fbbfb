"""Whether a request comes from a page of this site, by the headers that browsers send. Pure.

Browsers add a cookie also to requests that pages of other sites make. So every request that may change something and
relies on a cookie must show its origin. A request with an API key need not: no other site can add that header.
"""

from collections.abc import Collection
from enum import StrEnum
from urllib.parse import urlsplit

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class OriginDecision(StrEnum):
    """Whether the request comes from our own page, and why not."""

    SAME_ORIGIN = "same_origin"
    OTHER_ORIGIN = "other_origin"
    NO_ORIGIN = "no_origin"


def decide_origin(origin: str | None, fetch_site: str | None, own_origins: Collection[str]) -> OriginDecision:
    """Decide by `Origin` and `Sec-Fetch-Site`: one must show our origin, and neither may show another.

    `Origin: null` shows nothing: a page can ask for it, and our own page sends it if a proxy sets a referrer policy.
    """
    shown = None if origin in {None, "null"} else origin
    if shown is not None and shown not in own_origins:
        return OriginDecision.OTHER_ORIGIN
    if fetch_site not in {None, "same-origin", "none"}:
        return OriginDecision.OTHER_ORIGIN
    if shown is None and fetch_site != "same-origin":
        return OriginDecision.NO_ORIGIN
    return OriginDecision.SAME_ORIGIN


def own_origins(public_url: str, host: str) -> Collection[str]:
    """Return the origins of this site: of its public address, and of the host that the request names."""
    public = urlsplit(public_url)
    return {f"{public.scheme}://{public.netloc}", f"{public.scheme}://{host}"}
