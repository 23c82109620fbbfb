"""Texts of the gateway for people, Dutch and English, from its catalogue `gateway/locale`."""

from pathlib import Path

from alerting import vocabulary
from alerting.catalogue import Texts, load_texts

_FOLDER = Path(__file__).parents[1]


def texts_of(context: str, language: str) -> Texts:
    """Return the texts of one place, such as `page`, in one language; severities are alerting's."""
    return load_texts(_FOLDER, "gateway", context, language, vocabulary.texts_of("severity", language))
