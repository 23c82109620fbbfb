"""`$resultFormat=dataArray`: the observations of a page as rows of values, by datastream. Pure."""

from collections.abc import Sequence
from itertools import groupby

from gateway.api.sensorthings.renderer import Document

_DATASTREAM = "Datastream@iot.navigationLink"


def build_data_array(documents: Sequence[Document], root: str) -> list[Document]:
    """The documents of a page, in order; those of one datastream that follow each other stand together."""
    groups = []
    for datastream, members in groupby(documents, key=_datastream_of):
        rows = [{name: value for name, value in document.items() if _is_component(name)} for document in members]
        components = ["id" if name == "@iot.id" else name for name in rows[0]]
        groups.append(
            {
                _DATASTREAM: f"{root}/Datastreams({datastream})",
                "components": components,
                "dataArray@iot.count": len(rows),
                "dataArray": [list(row.values()) for row in rows],
            }
        )
    return groups


def _datastream_of(document: Document) -> int:
    return int(document["@iot.id"]) // 10**13


def _is_component(name: str) -> bool:
    return name == "@iot.id" or "@" not in name
