"""Texts for people in Dutch and English, from gettext catalogues.

A package stores its texts in `locale/<language>/LC_MESSAGES/<domain>.po`, one entry per text. Its `msgctxt` is the
place where it is read (a mail, a page, a flag), its `msgid` a key, its `msgstr` the text. The build compiles the
catalogues with Babel. A key without a text raises KeyError, so that a page never shows a key;
tests/test_catalogues.py requires both languages to be complete, with the same placeholders.
"""

import gettext
from functools import cache
from pathlib import Path
from typing import NoReturn


class _Missing(gettext.NullTranslations):
    def pgettext(self, context: str, message: str) -> NoReturn:
        raise KeyError(f"{context}: {message}")


class Texts:
    """The texts of one place in one language: `texts["began"]`."""

    def __init__(self, translations: gettext.NullTranslations, context: str, fallback: "Texts | None" = None) -> None:
        self._translations, self._context, self._fallback = translations, context, fallback

    def __getitem__(self, key: str) -> str:
        try:
            return self._translations.pgettext(self._context, key)
        except KeyError:
            if self._fallback is None:
                raise
            return self._fallback[key]

    def __contains__(self, key: str) -> bool:
        return self.get(key) is not None

    def get(self, key: str, default: str | None = None) -> str | None:
        """Return the text, or `default` if the catalogue has none."""
        try:
            return self[key]
        except KeyError:
            return default

    def plural(self, key: str, number: int) -> str:
        """Return the text for so many, with `{number}` filled in."""
        return self._translations.npgettext(self._context, key, key, number).format(number=number)

    def describe(self, code: str) -> str:
        """Return the text of a code; a code that has none is written as it is, with spaces."""
        return self.get(code) or code.replace("_", " ")


@cache
def load_texts(folder: Path, domain: str, context: str, language: str, fallback: Texts | None = None) -> Texts:
    """Return the texts of one place; `folder` is the package's folder, `fallback` has the keys that are not there."""
    return Texts(_load(folder / "locale", domain, language), context, fallback)


@cache
def _load(folder: Path, domain: str, language: str) -> gettext.NullTranslations:
    translations = gettext.translation(domain, folder, [language])
    translations.add_fallback(_Missing())
    return translations
