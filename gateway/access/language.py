"""The language of a visitor, and the texts of the account page in both languages. Pure but for the catalogue."""

from pathlib import Path

from fastapi import Request

from alerting.catalogue import Texts, load_texts
from alerting.vocabulary import Language

_FOLDER = Path(__file__).parents[1]
_PARAMETER = "lang"


def negotiate_language(path: str, accepted: str) -> Language:
    """Return the language of the address, else the one that the browser prefers, else Dutch."""
    if path.startswith(("/nl/", "/en/")):
        return "nl" if path.startswith("/nl/") else "en"
    best, weight = "nl", 0.0
    for part in accepted[:1_000].split(","):
        name, _, q = part.strip().partition(";q=")
        try:
            quality = float(q) if q else 1.0
        except ValueError:
            continue
        short = name.lower()[:2]
        if short in {"nl", "en"} and quality > weight:
            best, weight = short, quality
    return "en" if best == "en" else "nl"


def chosen_language(request: Request) -> Language | None:
    """Return the language that a link or form of the account page names; None if it names none."""
    text = request.query_params.get(_PARAMETER)
    return "nl" if text == "nl" else "en" if text == "en" else None


def language_of(request: Request, to: str = "") -> Language:
    """Return the language of the account page: the chosen one, that of the page to return to, or the browser's."""
    return chosen_language(request) or negotiate_language(to, request.headers.get("accept-language", ""))


def account_address(request: Request) -> str:
    """Return the address of the account page in the language that was chosen."""
    language = chosen_language(request)
    return "/account" if language is None else f"/account?{_PARAMETER}={language}"


def account_texts(language: Language) -> Texts:
    """Return the texts of the account page."""
    return load_texts(_FOLDER, "gateway", "account", language)
