"""Errors inside exception groups, as task groups raise them."""

from typing import TypeVar

ErrorT = TypeVar("ErrorT", bound=BaseException)


def find_error(group: BaseExceptionGroup[BaseException], error_type: type[ErrorT]) -> ErrorT | None:
    """Return the first error of this type, at any depth of the group; None if there is none."""
    for error in group.exceptions:
        nested = find_error(error, error_type) if isinstance(error, BaseExceptionGroup) else error
        if isinstance(nested, error_type):
            return nested
    return None
