"""Section 3 of a dossier: where and with what was measured, as labels with sentences. Pure."""

from collections.abc import Iterator, Sequence

from alerting.vocabulary import localize_decimal
from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Chapter, Contents
from gateway.dossier.node_history import describe_clock
from gateway.dossier.request import EventRequest
from gateway.model.texts import texts_of

Lines = list[tuple[str, Sequence[str]]]
"""Label and sentences."""


def describe_method(contents: Contents, formats: Formats) -> Lines:
    """Place, instrument, properties, method, uncertainty and clock."""
    texts, station = texts_of("dossier", formats.language), contents.station
    position = texts["position_of"].format(
        latitude=localize_decimal(f"{station.latitude:.3f}", formats.language),
        longitude=localize_decimal(f"{station.longitude:.3f}", formats.language),
    )
    lines: Lines = [
        (texts["station"], [f"{station.name} ({station.id})"]),
        (texts["position"], [position]),
        (texts["node_id"], [", ".join(contents.nodes)]),
    ]
    lines += [_describe_property(chapter, formats) for chapter in contents.chapters]
    lines += [
        (texts["instrument"], [texts["instrument_unknown"]]),
        (texts["method_label"], [texts["method_text"]]),
        (texts["uncertainty"], [*_describe_noise(contents, formats), texts["uncertainty_none"]]),
        (texts["clock"], describe_clock(contents, formats.language)),
    ]
    return lines


def _describe_property(chapter: Chapter, formats: Formats) -> tuple[str, Sequence[str]]:
    """Name, unit, range of values that count, and usual interval."""
    texts, row = texts_of("dossier", formats.language), chapter.observed_property
    unit = formats.unit_of(row.unit)
    sentences = [f"{formats.name_of(row.id)} ({row.id}), {unit}."]
    if row.lower is not None and row.upper is not None:
        bounds = formats.plain_number(row.lower), formats.plain_number(row.upper)
        text = texts["range_of"].format(lower=bounds[0], upper=bounds[1], unit=unit)
        sentences.append(f"{texts['range']}: {text}.")
    expected = [minute.expected_count for minute in chapter.series.minutes if minute.expected_count]
    if expected:
        seconds = formats.plain_number(round(60 / sorted(expected)[len(expected) // 2], 1))
        sentences.append(f"{texts['interval']}: {texts['interval_of'].format(seconds=seconds)}.")
    return texts["property"], sentences


def _describe_noise(contents: Contents, formats: Formats) -> Iterator[str]:
    texts = texts_of("dossier", formats.language)
    for event in contents.events if isinstance(contents.request, EventRequest) else ():
        unit = formats.unit_of(event.document.unit)
        yield texts["uncertainty_noise"].format(noise=formats.number(event.noise), unit=unit)
