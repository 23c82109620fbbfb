"""The relation that names in an expression refer to: an entity type and the alias of its relation. Pure."""

from dataclasses import dataclass

from psycopg.sql import SQL, Composable, Identifier

from gateway.api.sensorthings.model import EntityType


@dataclass(frozen=True, kw_only=True)
class RelationScope:
    """`outer`: alias of the datastreams of readings, for a relation of observations."""

    entity: EntityType
    alias: str
    outer: str | None = None

    def column(self, name: str) -> Composable:
        """A column of the relation."""
        alias = self.outer if self.outer is not None and name == "station_number" else self.alias
        return SQL("{}.{}").format(Identifier(alias), Identifier(name))
