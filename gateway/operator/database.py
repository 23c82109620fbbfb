"""Named queries of the operator's services, and the version check by which two operators notice each other."""

from pathlib import Path

import psycopg
from psycopg.rows import scalar_row

from alerting.sql import load_queries
from gateway.operator.errors import OperatorError, RefusalKind

QUERIES = load_queries(Path(__file__).with_name("queries.sql"))


def take_revision(connection: psycopg.Connection, node: str, expected: int | None) -> int:
    """Count one change of a node and return its number; the row stays locked until the transaction ends.

    `expected`: the number that the operator saw; None: none was shown. Raises OperatorError if it is another now.
    """
    values = {"node": node, "expected": expected}
    cursor = connection.cursor(row_factory=scalar_row)
    revision: int | None = cursor.execute(QUERIES["take_revision"], values).fetchone()
    if revision is None:
        raise OperatorError(RefusalKind.CONFLICT, "changed_meanwhile", node=node)
    return revision
