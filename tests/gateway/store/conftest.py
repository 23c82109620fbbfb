from collections.abc import Iterator

import psycopg
import pytest

from tests.gateway.enrolled_node import enrol_node


@pytest.fixture(scope="session")
def enrolled_database(postgres) -> str:
    """A database with an enrolled node, for tests that commit nothing."""
    dsn = postgres.create_database("enrolled", template="migrated")
    enrol_node(dsn)
    return dsn


@pytest.fixture
def connection(enrolled_database) -> Iterator[psycopg.Connection]:
    """A transaction in a database with an enrolled node; it is rolled back."""
    with psycopg.connect(enrolled_database) as connection:
        yield connection
        connection.rollback()
