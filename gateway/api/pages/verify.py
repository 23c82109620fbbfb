"""`/verify`: the reader's own browser checks the evidence of a figure. `/verify.py`: the same check as a program.

The page itself decides nothing: its modules in `static/verify` read the evidence file, which comes from the API or
from the reader's disk, and show every step.
"""

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import APIRouter, HTTPException, Query
from fastapi.responses import FileResponse, HTMLResponse, Response
from msgspec import Struct, field, to_builtins

from edge_agent.wire import EXCLUDED_FLAGS, INCARNATION, NAME, PROPERTY, Flag
from gateway.api.pages.renderer import View, ViewDependency, respond_html
from gateway.api.pages.verify_texts import VERIFY_TEXTS
from gateway.model.texts import texts_of

router = APIRouter()
root_router = APIRouter()
PROGRAM = Path(__file__).parents[2] / "verification" / "standalone" / "verify.py"

_MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z")
_NUMBER = re.compile(r"-?[0-9]{1,20}(\.[0-9]{1,20})?(e[+-]?[0-9]{1,3})?")
_BATCH = re.compile(rf"{NAME[1:-1]}/{INCARNATION[1:-1]}/[1-9][0-9]{{0,18}}")
_OFFLINE_FILES = ("app.js", "icon.svg", "style.css")
_QueryText = Annotated[str, Query(max_length=200)]


class Question(Struct, frozen=True, kw_only=True):
    """A figure that a link asks to check: a reading by its time, the highest reading of a period, or a batch.

    `value`: the figure beside which the link stood, as text. Times are RFC 3339 in UTC. Empty: not given.
    """

    station: str = ""
    observed_property: str = field(default="", name="property")
    at: str = ""
    value: str = ""
    start: str = ""
    end: str = ""
    batch: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether the address has no question: the reader chooses a file."""
        return self == Question()

    @property
    def is_valid(self) -> bool:
        """Whether it names something that the API can look up."""
        if self.batch:
            return bool(_BATCH.fullmatch(self.batch)) and self == Question(batch=self.batch)
        period = [text for text in (self.start, self.end) if text]
        moments = [self.at] if self.at else period if len(period) == 2 else []
        has_place = re.fullmatch(NAME, self.station) and re.fullmatch(PROPERTY, self.observed_property)
        has_value = not self.value or _NUMBER.fullmatch(self.value)
        return bool(has_place and has_value and moments and all(map(_MOMENT.fullmatch, moments)))

    @property
    def evidence_path(self) -> str | None:
        """Address of the evidence file; None if the reading must be looked up first."""
        if self.batch:
            return f"/api/v1/batches/{self.batch}/evidence"
        if not self.at:
            return None
        query = urlencode({"property": self.observed_property, "at": self.at})
        return f"/api/v1/stations/{quote(self.station)}/evidence?{query}"


@router.get("/verify")
async def show_verify(  # noqa: PLR0917 - they are query parameters
    view: ViewDependency,
    station: _QueryText = "",
    property_: Annotated[str, Query(alias="property", max_length=200)] = "",
    at: _QueryText = "",
    value: _QueryText = "",
    start: Annotated[str, Query(alias="from", max_length=200)] = "",
    end: Annotated[str, Query(alias="until", max_length=200)] = "",
    batch: _QueryText = "",
) -> HTMLResponse:
    """The page that checks a figure, with the question of the address."""
    question = Question(
        station=station, observed_property=property_, at=at, value=value, start=start, end=end, batch=batch
    )
    valid_question = question if question.is_valid else None
    texts = texts_of("verify", view.language)
    boot = {
        "language": view.language,
        "words": {**{name: texts[name] for name in VERIFY_TEXTS}, "decimal": view.decimal_separator},
        "question": to_builtins(valid_question),
        "evidence": valid_question and valid_question.evidence_path,
        "names": {row.id: view.name_of(row.id) for row in view.latest_values.registry.properties.values()},
        "stations": {row.id: row.name for row in view.latest_values.registry.stations.values()},
        "units": {row.id: view.unit_of(row.unit) for row in view.latest_values.registry.properties.values()},
        "flags": {"names": {str(flag.name).lower(): flag.value for flag in Flag}, "excluded": int(EXCLUDED_FLAGS)},
        "offline": list_offline_files(view),
    }
    return respond_html(
        view,
        view.render(
            "verify.html",
            t=texts,
            boot=boot,
            has_question=not question.is_empty,
            is_wrong=valid_question is None and not question.is_empty,
            evidence=boot["evidence"],
            has_program=PROGRAM.exists(),
        ),
    )


def list_offline_files(view: View) -> list[str]:
    """Addresses of the files that the page needs without a network."""
    names = view.request.app.state.static_files
    modules = sorted(name for name in names if name.startswith("verify/"))
    return [f"/static/{name}" for name in (*_OFFLINE_FILES, *modules)]


@root_router.get("/verify.py")
async def get_program() -> Response:
    """The stand-alone program that checks evidence without this site."""
    if not PROGRAM.exists():
        raise HTTPException(404, "this release has no stand-alone verify.py")
    return FileResponse(PROGRAM, media_type="text/x-python", filename="verify.py")
