"""Who somebody is and what they may do where. Pure: decisions are values with reasons."""

from collections.abc import Mapping
from enum import StrEnum

from msgspec import Struct

EVERY_AREA = "*"


class Role(StrEnum):
    """From the least to the most."""

    RESIDENT = "resident"
    INSPECTOR = "inspector"
    OPERATOR = "operator"
    ADMIN = "admin"


class Scope(StrEnum):
    """One thing that not everybody may do. Reading what is public needs none."""

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
    """What a role may do: each may what those before it may."""
    roles = list(Role)
    return frozenset().union(*(_ADDED_SCOPES[lower_role] for lower_role in roles[: roles.index(role) + 1]))


class Identity(Struct, frozen=True, kw_only=True):
    """Somebody who has proved who they are, by a session or a key."""

    name: str
    role: Role
    scopes: frozenset[Scope]
    areas: frozenset[str]
    key_id: str | None = None  # id of the API key, where it was one


class AccessDecision(StrEnum):
    """Whether it may be done, and why not."""

    ALLOWED = "allowed"
    NOT_SIGNED_IN = "not_signed_in"
    NOT_IN_ROLE = "not_in_role"
    OTHER_AREA = "other_area"


def decide_access(identity: Identity | None, scope: Scope, area: str | None = None) -> AccessDecision:
    """Whether they may do this in this area; what belongs to no area (None) needs every area."""
    if identity is None:
        return AccessDecision.NOT_SIGNED_IN
    if scope not in identity.scopes:
        return AccessDecision.NOT_IN_ROLE
    if EVERY_AREA not in identity.areas and area not in identity.areas:
        return AccessDecision.OTHER_AREA
    return AccessDecision.ALLOWED


def narrow_identity(identity: Identity, scopes: frozenset[Scope], areas: frozenset[str], key_id: str) -> Identity:
    """What a key may do: never more than its account may today."""
    has_every_area = EVERY_AREA in identity.areas
    key_areas = areas if has_every_area else identity.areas if EVERY_AREA in areas else areas & identity.areas
    return Identity(
        name=identity.name, role=identity.role, scopes=scopes & identity.scopes, areas=key_areas, key_id=key_id
    )
