"""Guests: operators enrol sensors of others, give them a new token, and revoke them. Each act is in the audit log.

The token is returned once and stored hashed. `piekwacht guest`, the operator pages and the API call this.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import psycopg
from msgspec import Struct, ValidationError, convert
from psycopg.rows import class_row, scalar_row

from edge_agent.configuration import ConfigurationError
from edge_agent.wire import GUEST_PREFIX, Name, Verifier, generate_incarnation, is_guest
from gateway.adapters.formats import FORMATS, MAPPED_FORMATS
from gateway.adapters.mapping import parse_mapping
from gateway.guests.guest import generate_token, hash_token
from gateway.guests.publications import find_filter_problem
from gateway.model.registry import Node, Station
from gateway.operator.actor import Actor
from gateway.operator.audit import Act, record_act
from gateway.operator.database import QUERIES
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.fleet import require_node
from gateway.store import stations

_MAX_TEXT = 200
NAME_SUFFIX = " (sensor van bewoner)"  # part of the name of its station, which every page, feed, file and mail has


class GuestOrder(Struct, frozen=True, kw_only=True):
    """A new guest, as an operator states it.

    node          its id, which is also that of its station; it begins with `guest-`
    name          name of its station on pages, without NAME_SUFFIX
    sender        name of the device in its messages
    mapping       text of the mapping file, if the format needs one
    owner, consent_on, consent_text   who agreed, when, to which version of the text; never published
    """

    node: str
    area: str
    name: str
    latitude: float
    longitude: float
    format: str
    sender: str
    owner: str
    consent_on: date
    consent_text: str
    mapping: str | None = None
    topic: str | None = None
    poll_url: str | None = None


class GuestListing(Struct, frozen=True, kw_only=True):
    """One guest as operators see it. `waiting`: its messages in the inbox; `quarantined`: those that were refused."""

    node: str
    area: str
    name: str
    format: str
    sender: str
    topic: str | None
    poll_url: str | None
    owner: str
    consent_on: date
    consent_text: str
    enrolled_at: datetime
    revoked_at: datetime | None
    last_seen: datetime | None
    waiting: int
    quarantined: int


def add_guest(connection: psycopg.Connection, actor: Actor, order: GuestOrder, notary: Verifier | None = None) -> str:
    """Enrol a guest and return its token. Raises OperatorError. Runs in the transaction of the caller.

    `notary`: the public key by which its batches are verified; None: as the gateway wrote it into the database.
    """
    _check(order)
    actor.require_area(order.area)
    if _select(connection, "select_area_of_node", {"node": order.node}) is not None:
        raise _refuse(f"{order.node} is enrolled already; `piekwacht guest rotate` gives it a new token")
    if _select(connection, "select_area", {"area": order.area}) is None:
        raise _refuse(f"there is no area {order.area}; `piekwacht site show` prints the areas")
    station = Station(
        id=order.node,
        area=order.area,
        name=f"{order.name.strip()}{NAME_SUFFIX}",
        latitude=order.latitude,
        longitude=order.longitude,
    )
    key = (notary or _load_notary(connection)).under_name(order.node)
    stations.put_guest_node(connection, Node(id=order.node, area=order.area, station=order.node, key=key), station)
    token = generate_token()
    values = {
        "node": order.node,
        "format": order.format,
        "mapping": order.mapping,
        "sender": order.sender.strip(),
        "token": hash_token(token),
        "topic": order.topic,
        "poll_url": order.poll_url,
        "owner": order.owner,
        "consent_on": order.consent_on,
        "consent_text": order.consent_text,
        "incarnation": generate_incarnation(),
    }
    try:
        connection.execute(QUERIES["insert_guest"], values)
    except psycopg.errors.UniqueViolation:
        raise _refuse(f"another guest has the topic {order.topic} and the device {order.sender}") from None
    after = {"format": order.format, "sender": order.sender, "consentText": order.consent_text}
    record_act(connection, actor, Act(action="enrol", object=f"node {order.node}", area=order.area, after=after))
    return token


def rotate_token(connection: psycopg.Connection, actor: Actor, node: str) -> str:
    """Give a guest a new token and return it; the former one is invalid. Raises OperatorError."""
    area = _require_guest(connection, actor, node)
    token = generate_token()
    connection.execute(QUERIES["update_guest_token"], {"node": node, "token": hash_token(token)})
    record_act(connection, actor, Act(action="rotate-token", object=f"node {node}", area=area))
    return token


def revoke_guest(connection: psycopg.Connection, actor: Actor, node: str) -> None:
    """Refuse what a guest sends from now on, and forget its exact place; readings stay. Raises OperatorError."""
    area = _require_guest(connection, actor, node)
    connection.execute(QUERIES["update_guest_revoked"], {"node": node})
    stations.revoke_node(connection, node)
    record_act(connection, actor, Act(action="revoke", object=f"node {node}", area=area))


def list_guests(connection: psycopg.Connection, actor: Actor) -> Sequence[GuestListing]:
    """Return the guests of the actor's areas by id."""
    cursor = connection.cursor(row_factory=class_row(GuestListing))
    return cursor.execute(QUERIES["list_guests"], {"areas": actor.area_filter}).fetchall()


def _load_notary(connection: psycopg.Connection) -> Verifier:
    text = _select(connection, "select_notary", {})
    if not isinstance(text, str):
        raise OperatorError(
            RefusalKind.UNAVAILABLE,
            "other",
            reason="no gateway with [ingest] notary_key_file has run yet: set it first",
        )
    return Verifier.parse(text)


def _require_guest(connection: psycopg.Connection, actor: Actor, node: str) -> str:
    area = require_node(connection, actor, node)
    if not _select(connection, "select_guest_format", {"node": node}):
        raise _refuse(f"{node[:80]} is no guest, or is revoked; `piekwacht guest list` prints the guests")
    return area


def _check(order: GuestOrder) -> None:
    if not is_guest(order.node):
        raise _refuse(f"{order.node[:80]}: the id of a guest begins with {GUEST_PREFIX}")
    try:
        convert(order.node, Name)
    except ValidationError:
        raise _refuse(f"{order.node[:80]}: an id has small letters, digits and hyphens, at most 63") from None
    _check_format(order)
    for title, text in (
        ("name", order.name),
        ("sender", order.sender),
        ("owner", order.owner),
        ("version of the text", order.consent_text),
    ):
        if not text.strip() or len(text) > _MAX_TEXT:
            raise _refuse(f"the {title} needs 1 to {_MAX_TEXT} characters")
    if order.consent_on > datetime.now(UTC).date():
        raise _refuse(f"the owner agreed on {order.consent_on}, which is in the future")
    if not (-90 <= order.latitude <= 90 and -180 <= order.longitude <= 180):
        raise _refuse("the place needs a latitude of -90 to 90 and a longitude of -180 to 180")


def _check_format(order: GuestOrder) -> None:
    if order.format not in FORMATS:
        raise _refuse(f"format {order.format[:80]}: there are {', '.join(FORMATS)}")
    if (order.mapping is not None) != (order.format in MAPPED_FORMATS):
        need = "needs a mapping file" if order.format in MAPPED_FORMATS else "has no mapping file"
        raise _refuse(f"the format {order.format} {need}")
    if order.mapping is not None:
        try:
            parse_mapping(order.mapping)
        except ConfigurationError as error:
            raise _refuse(str(error)) from None
    problem = None if order.topic is None else find_filter_problem(order.topic)
    if problem is not None:
        raise _refuse(f"{str(order.topic)[:80]}: {problem}")
    if order.poll_url is not None and not order.poll_url.startswith(("http://", "https://")):
        raise _refuse(f"{order.poll_url[:80]}: the address to poll begins with http:// or https://")


def _select(connection: psycopg.Connection, query: str, values: dict[str, object]) -> object:
    return connection.cursor(row_factory=scalar_row).execute(QUERIES[query], values).fetchone()


def _refuse(reason: str) -> OperatorError:
    return OperatorError(RefusalKind.INVALID, "other", reason=reason)
