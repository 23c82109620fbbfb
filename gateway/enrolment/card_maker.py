"""Cards of nodes for the operator's page: what they can be made of, and making one of a filled-in form."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import psycopg

from edge_agent import provisioning
from edge_agent.configuration import ConfigurationError, convert_table, load_toml
from edge_agent.wire import Name
from gateway.enrolment.card import CardOrder, CardSources, enrol_node
from gateway.operator.actor import Actor
from gateway.operator.errors import OperatorError, RefusalKind
from gateway.operator.tools import CardArchive, CardChoices, CardPlan


class FolderCardMaker:
    """Makes cards from a folder of firmware configurations and a certificate authority on this machine."""

    def __init__(self, sources: CardSources) -> None:
        self._sources = sources

    def list_choices(self) -> CardChoices:
        """Return the sites, hardware and kits of the folder. Raises ConfigurationError if a file cannot be read.

        A kit whose sensors need the values of a calibration file is left out: the plan of such a node is a file.
        """
        folder = self._sources.firmware_configs
        sites = []
        for path in sorted(folder.glob("sites/*/site.toml")):
            site = load_toml(path, provisioning.SiteSettings)
            sites.append((path.parent.name, site.title, site.area))
        boards = [(path.stem, load_toml(path, provisioning.Board).title) for path in _list(folder / "boards")]
        kits = [(path.stem, load_toml(path, provisioning.Kit)) for path in _list(folder / "kits")]
        return CardChoices(
            sites=sites, boards=boards, kits=[(name, kit.title) for name, kit in kits if _is_complete(kit)]
        )

    def make(self, connection: psycopg.Connection, actor: Actor, plan: CardPlan) -> CardArchive:
        """Enrol the node, and return the archive. Names of files come from the folder, never from the form."""
        choices = self.list_choices()
        _require(plan.site, {name for name, _, _ in choices.sites}, "site")
        _require(plan.board, {name for name, _ in choices.boards}, "board")
        _require(plan.kit, {name for name, _ in choices.kits}, "kit")
        order = CardOrder(
            site=plan.site,
            node=_check_name(plan.node),
            plan=provisioning.NodePlan(board=plan.board, kit=plan.kit, station=_check_name(plan.station)),
            replace=plan.replace,
        )
        try:
            card = enrol_node(connection, actor, self._sources, order)
        except ConfigurationError as error:
            raise OperatorError(RefusalKind.INVALID, "other", reason=str(error)) from None
        return CardArchive(file_name=f"{plan.node}.zip", content=card.archive)


def _list(folder: Path) -> Iterator[Path]:
    return iter(sorted(folder.glob("*.toml")))


def _is_complete(kit: provisioning.Kit) -> bool:
    try:
        convert_table({"sensor": kit.sensor}, provisioning.Overlay, source="kit")
    except ConfigurationError:
        return False
    return True


def _require(value: str, allowed: set[str], what: str) -> None:
    if value not in allowed:
        raise OperatorError(RefusalKind.INVALID, "no_choice", what=what, value=value[:80])


def _check_name(text: str) -> str:
    try:
        return msgspec.convert(text, Name)
    except msgspec.ValidationError:
        raise OperatorError(RefusalKind.INVALID, "no_name", value=text[:80]) from None
