"""The person or program that acts as an operator, and its areas. Pure."""

from msgspec import Struct

from gateway.access.identity import EVERY_AREA
from gateway.operator.errors import OperatorError, RefusalKind


class Actor(Struct, frozen=True, kw_only=True):
    """A person or program. `name` goes into the audit log, with the id of an API key; `address`: from where."""

    name: str
    areas: frozenset[str]
    address: str

    @property
    def area_filter(self) -> list[str] | None:
        """The areas that this actor may see, for a query; None: all."""
        return None if EVERY_AREA in self.areas else sorted(self.areas)

    def includes(self, area: str | None) -> bool:
        """Whether the actor may act in this area; None stands for the whole installation."""
        return EVERY_AREA in self.areas or area in self.areas

    def require_area(self, area: str | None) -> None:
        """Raise OperatorError if the area is of others."""
        if not self.includes(area):
            raise OperatorError(RefusalKind.OTHER_AREA, "other_area")


def local_actor(user: str) -> Actor:
    """Return the actor of a command: somebody with an account on this machine, who may do everything."""
    return Actor(name=user, areas=frozenset({EVERY_AREA}), address="command")


EVERYTHING = Actor(name="", areas=frozenset({EVERY_AREA}), address="")  # for reads that are filtered afterwards
