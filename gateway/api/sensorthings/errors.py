"""Errors of a SensorThings request. Each is one sentence for the client, with the status that it gets."""

from http import HTTPStatus


class QueryError(Exception):
    """Base. `status`: of the answer."""

    status = HTTPStatus.BAD_REQUEST


class BadQueryError(QueryError):
    """The request is wrong: 400."""


class UnsupportedError(QueryError):
    """The standard has it, this service does not: 501."""

    status = HTTPStatus.NOT_IMPLEMENTED


class MissingError(QueryError):
    """There is no such entity, set or property: 404."""

    status = HTTPStatus.NOT_FOUND


class TooSlowError(QueryError):
    """The database needs too long for it: 503."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
