"""Media types of pictures by their first bytes. Pure."""

_MEDIA_TYPES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def media_type_of(content: bytes) -> str | None:
    """The media type of a picture; None if it is not one that we pass on."""
    return next((kind for prefix, kind in _MEDIA_TYPES.items() if content.startswith(prefix)), None)
