"""Shared parts of all pages for operators: rendering for one person, refusals as pages, redirects after a form."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from urllib.parse import quote

from fastapi import HTTPException
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from alerting.vocabulary import Language
from gateway.api.operator.service import RefusedActError
from gateway.api.pages.renderer import View, respond_private_html
from gateway.model.texts import texts_of
from gateway.operator.fleet import Remark
from gateway.operator.sentences import describe_changes, describe_remark, name_property

_PAGE_STATUSES = frozenset({400, 401, 403, 404, 409, 503})
_UNITS = ("B", "kB", "MB", "GB", "TB")


class OperatorTexts:
    """Formats of operators' facts in the language of a page; templates use it as `f`."""

    def __init__(self, language: Language) -> None:
        self._language = language

    def remark(self, remark: Remark) -> str:
        """A problem of a node."""
        return describe_remark(remark, self._language)

    def property(self, id_: str) -> str:
        """The name of a property."""
        return name_property(id_, self._language)

    def action(self, code: str) -> str:
        """The name of an act; other entries of the audit log keep theirs."""
        return texts_of("operator_action", self._language).describe(code)

    def outcome(self, code: str) -> str:
        """How an act ended."""
        return texts_of("operator_outcome", self._language).describe(code)

    @staticmethod
    def changes(before: dict[str, object] | None, after: dict[str, object] | None) -> str:
        """The fields that an act changed."""
        return describe_changes(before, after)

    def size(self, count: float) -> str:
        """A number of bytes in three digits."""
        value, unit = float(count), 0
        while abs(value) >= 999.5 and unit < len(_UNITS) - 1:
            value, unit = value / 1000, unit + 1
        text = f"{value:.3g}" if unit else f"{value:.0f}"
        return f"{text.replace('.', ',') if self._language == 'nl' else text} {_UNITS[unit]}"

    @staticmethod
    def iso(at: datetime) -> str:
        """A time for `datetime` and for the formats of the page."""
        return at.isoformat()


def render_page(view: View, template: str, status: int = 200, **values: object) -> HTMLResponse:
    """A page of one person, so no cache may store it."""
    content = view.render(
        f"operator/{template}", o=texts_of("operator", view.language), f=OperatorTexts(view.language), **values
    )
    return respond_private_html(view, content, status)


async def answer_page(view: View, make: Callable[[], Awaitable[Response]], back: str = "operator") -> Response:
    """The page of `make`, or one with the reason in one sentence; `back`: the page that it links to."""
    try:
        return await make()
    except HTTPException as error:
        status = error.status_code if error.status_code in _PAGE_STATUSES else 400
        texts = texts_of("operator", view.language)
        text = texts[f"refused_{status}"]
        sentence = error.error.sentence(view.language) if isinstance(error, RefusedActError) else text
        return render_page(
            view,
            "refused.html",
            status,
            status_code=status,
            sentence=sentence,
            back=back,
            return_path=_page_of(view, back),
        )


def redirect(view: View, path: str) -> RedirectResponse:
    """Redirect after a form, so that a reload does not send it again."""
    return RedirectResponse(f"{view.prefix}/{path}", 303)


def _page_of(view: View, back: str) -> str:
    """The page for somebody who signs in again: this one, or that of the form that was sent."""
    request = view.request
    if request.method != "GET":
        return f"{view.prefix}/{back}"
    query = f"?{request.url.query}" if request.url.query else ""
    return f"{quote(request.url.path, safe='/:@')}{query}"
