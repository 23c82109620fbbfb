"""Sentences about levels and why they are not assessed, in Dutch and English. Pure."""

from alerting.vocabulary import Language, localize_decimal
from gateway.assessment.assess import UnassessedLevel
from gateway.assessment.hazard_index import HazardIndex
from gateway.assessment.indices import IndexClass
from gateway.assessment.levels import PublishedLevel
from gateway.model.texts import texts_of


def name_level(level: PublishedLevel, language: Language) -> str:
    """Return the name of a level."""
    return level.title.nl if language == "nl" else level.title.en


def describe_refusal(refusal: UnassessedLevel, language: Language) -> str:
    """Return one sentence: why a level is not assessed, and what is needed."""
    share, needed = (
        "" if number is None else localize_decimal(f"{100 * number:.1f}", language)
        for number in (refusal.share, refusal.needed)
    )
    return texts_of("assessment", language)[refusal.reason.value].format(share=share, needed=needed)


def name_index(index_class: IndexClass, language: Language) -> str:
    """Return the name of an index, or of the sub-index if not all of its substances were measured."""
    index = index_class.index
    title = index.title.nl if language == "nl" else index.title.en
    if index_class.is_whole:
        return title
    is_dust = set(index_class.substances) <= {"pm10", "pm2_5"}
    texts = texts_of("assessment", language)
    return texts["sub_index_pm" if is_dust else "sub_index"].format(index=title)


def name_class(index_class: IndexClass, language: Language) -> str:
    """Return the name of the class."""
    classes = index_class.index.classes
    return (classes.nl if language == "nl" else classes.en)[index_class.number - 1]


def describe_hazard_refusal(index: HazardIndex, language: Language) -> str:
    """Return one sentence: why there is no Hazard Index. Raises ValueError if there is one."""
    if index.refusal is None:
        raise ValueError("the index was computed")
    share, needed = (
        "" if number is None else localize_decimal(f"{100 * number:.1f}", language)
        for number in (index.share, index.needed)
    )
    text = texts_of("assessment", language)[f"hazard_{index.refusal}"]
    return text.format(substance=index.substance, share=share, needed=needed)
