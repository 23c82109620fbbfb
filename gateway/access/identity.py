"""Identities, roles, scopes and areas, and the access decision. Pure: decisions are values with reasons."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

EVERY_AREA = "*"


class Role(StrEnum):
    """Roles in ascending order: each includes the scopes of those before it."""

    RESIDENT = "resident"
    INSPECTOR = "inspector"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """One permission. Reading public data needs none."""

    READ_EXACT_LOCATION = "read:exact-location"
    READ_QUARANTINE = "read:quarantine"
    ANSWER_ALERTS = "write:alerts"
    MANAGE_NODES = "write:nodes"
    MANAGE_ACCOUNTS = "write:accounts"


_ADDED_SCOPES: Mapping[Role, frozenset[Scope]] = {
    Role.RESIDENT: frozenset(),
    Role.INSPECTOR: frozenset({Scope.READ_EXACT_LOCATION, Scope.ANSWER_ALERTS}),
    Role.OPERATOR: frozenset({Scope.READ_QUARANTINE, Scope.MANAGE_NODES}),
    Role.ADMIN: frozenset({Scope.MANAGE_ACCOUNTS}),
}


def scopes_of(role: Role) -> frozenset[Scope]:
    """Return all scopes of a role."""
    roles = list(Role)
    return frozenset().union(*(_ADDED_SCOPES[lower_role] for lower_role in roles[: roles.index(role) + 1]))


class Identity(Struct, frozen=True, kw_only=True):
    """An authenticated person or program, by a session or an API key."""

    name: str
    role: Role
    scopes: frozenset[Scope]
    areas: frozenset[str]
    key_id: str | None = None  # id of the API key; None for a session


class AccessDecision(StrEnum):
    """Whether access is allowed, and why not."""

    ALLOWED = "allowed"
    NOT_SIGNED_IN = "not_signed_in"
    NOT_IN_ROLE = "not_in_role"
    OTHER_AREA = "other_area"


def decide_access(identity: Identity | None, scope: Scope, area: str | None = None) -> AccessDecision:
    """Decide access to a scope in an area; an object without an area (None) needs every area."""
    if identity is None:
        return AccessDecision.NOT_SIGNED_IN
    if scope not in identity.scopes:
        return AccessDecision.NOT_IN_ROLE
    if EVERY_AREA not in identity.areas and area not in identity.areas:
        return AccessDecision.OTHER_AREA
    return AccessDecision.ALLOWED


def narrow_identity(identity: Identity, scopes: frozenset[Scope], areas: frozenset[str], key_id: str) -> Identity:
    """Return the identity of an API key: never more than its account has now."""
    has_every_area = EVERY_AREA in identity.areas
    key_areas = areas if has_every_area else identity.areas if EVERY_AREA in areas else areas & identity.areas
    return Identity(
        name=identity.name, role=identity.role, scopes=scopes & identity.scopes, areas=key_areas, key_id=key_id
    )
