"""An enrolled guest: its token, the notary's key, and the posts that it would send."""

from dataclasses import dataclass
from datetime import date

import psycopg

from edge_agent.wire import Signer
from gateway.guests.notary import GuestNotary
from gateway.ingest.quarantine_budget import QuarantineBudget
from gateway.operator.actor import local_actor
from gateway.operator.guests import GuestOrder, add_guest
from gateway.store.connection import Store
from tests.gateway.adapters.messages import airrohr

NOTARY = Signer.generate("notary.ijmond")


@dataclass
class EnrolledGuest:
    """A guest with its token."""

    node: str
    token: str
    sender: str


def make_order(node="guest-duin", **changes):
    """The order of an airRohr in the area of `tests.gateway.enrolled_node`."""
    order = {
        "node": node,
        "area": "ijmond",
        "name": "Duinweg",
        "latitude": 52.4951234,
        "longitude": 4.5961234,
        "format": "airrohr",
        "sender": "esp8266-12345",
        "owner": "Jan de Vries",
        "consent_on": date(2026, 11, 1),
        "consent_text": "2026-1",
    }
    return GuestOrder(**{**order, **changes})


def enrol_guest(dsn, node="guest-duin", **changes):
    """Enrol a guest; the area must be there."""
    order = make_order(node, **changes)
    with psycopg.connect(dsn) as connection:
        token = add_guest(connection, local_actor("tester"), order, NOTARY.verifier)
    return EnrolledGuest(node=node, token=token, sender=order.sender)


def make_notary(store: Store) -> GuestNotary:
    """The notary of a gateway."""
    return GuestNotary(store, NOTARY, QuarantineBudget().select)


def post_of_airrohr(pm2_5=12.3, **values):
    """The body of a post of the guest."""
    return airrohr(SDS_P2=pm2_5, **values)


def fetch(dsn, statement, *parameters):
    """Rows of a statement; none if it returns none."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        cursor = connection.execute(statement, parameters)
        return cursor.fetchall() if cursor.description else []
