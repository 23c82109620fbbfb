"""The page to which somebody returns after signing in, as `/account?to=...` carries it. Pure.

Only a page of people on duty on this server: an address from outside must not send anybody elsewhere.
"""

import re

_RETURN_PATH = re.compile(r"/(?:(?:nl|en)/)?(?:inspector|operator)(?:[/?][!-\[\]-~]*)?")  # visible ASCII, no backslash
_MAX_LENGTH = 500


def check_return_path(text: str) -> str:
    """Return the path if it is one of these pages; otherwise an empty text."""
    return text if len(text) <= _MAX_LENGTH and _RETURN_PATH.fullmatch(text) else ""
