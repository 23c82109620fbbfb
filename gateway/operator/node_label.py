"""The label of a node: its enrolment facts as text and as a QR code, to stick on its enclosure. No secret is in it."""

import io
from datetime import datetime

import psycopg
import segno
from msgspec import Struct
from psycopg.rows import class_row

from gateway.operator.actor import Actor
from gateway.operator.database import QUERIES
from gateway.operator.fleet import require_node

_MODULE_PIXELS = 4
_QUIET_ZONE = 4  # modules; ISO/IEC 18004 asks for four


class NodeLabel(Struct, frozen=True, kw_only=True):
    """Public facts of an enrolled node. `key`: the public half of its signing key."""

    node: str
    area: str
    station: str | None
    key: str
    enrolled_at: datetime

    def describe(self, site: str) -> str:
        """Return the facts as lines of text; the last one is the address of the node's page at this site."""
        lines = [
            f"Piekwacht node {self.node}",
            f"area {self.area}",
            f"station {self.station or '-'}",
            f"enrolled {self.enrolled_at:%Y-%m-%d}",
            f"key {self.key}",
            f"{site.rstrip('/')}/operator/nodes/{self.node}",
        ]
        return "\n".join(lines)


def load_label(connection: psycopg.Connection, actor: Actor, node: str) -> NodeLabel:
    """Return the label of a node. Raises OperatorError if there is none, or it is of another area."""
    require_node(connection, actor, node)
    cursor = connection.cursor(row_factory=class_row(NodeLabel))
    (label,) = cursor.execute(QUERIES["select_label"], {"node": node}).fetchall()
    return label


def draw_label(text: str, title: str) -> str:
    """Return the QR code of a text as an SVG element, dark on light in every colour scheme."""
    code = segno.make(text, error="m", micro=False)
    return code.svg_inline(
        scale=_MODULE_PIXELS, border=_QUIET_ZONE, dark="#000", light="#fff", title=title, svgclass="qr", lineclass=None
    )


def print_label(text: str) -> str:
    """Return the QR code of a text for a terminal."""
    out = io.StringIO()
    segno.make(text, error="m", micro=False).terminal(out, border=_QUIET_ZONE, compact=True)
    return out.getvalue()
