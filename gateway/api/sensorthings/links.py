"""Links to the next page: the request's own query with another place to begin. Pure."""

from urllib.parse import quote, unquote_plus, urlencode

from gateway.api.sensorthings.query import QueryOptions
from gateway.api.sensorthings.unparse import list_options

_STARTS = frozenset({"$skip", "$skiptoken"})
_SAFE = "$,()/':;="


def build_next_link(address: str, query: str, start: str) -> str:
    """The address with the query as it came. `start`: `$skip` or `$skiptoken` with its value, instead of the former."""
    parts = [part for part in query.split("&") if part and unquote_plus(part.partition("=")[0]) not in _STARTS]
    return f"{address}?{'&'.join([*parts, start])}"


def build_nested_query(options: QueryOptions) -> str:
    """The options of a navigation as the query of its address; the same for all entities that expand it."""
    return urlencode(list_options(options), quote_via=quote, safe=_SAFE)
