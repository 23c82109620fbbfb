"""How inspectors get a dossier: the API asks a maker for it, which the service passes in.

`gateway.dossier` makes them, in a child process. Without a maker no page offers a dossier.
"""

from typing import Protocol

from msgspec import Struct

from alerting.vocabulary import Language


class DossierFile(Struct, frozen=True, kw_only=True):
    """A dossier: the name of the file, and the bytes of the ZIP."""

    file_name: str
    content: bytes


class DossierMaker(Protocol):
    """Makes dossiers beside the event loop, one at a time."""

    async def make(self, event: str, language: Language) -> DossierFile:
        """Return the dossier of the newest revision. Raises GatewayError with one sentence if it cannot be made."""

    async def aclose(self) -> None:
        """End what it runs; the application calls it when it stops."""
