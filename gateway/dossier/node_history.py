"""Records of the nodes of a dossier: clock, configurations, batches, and reports of operators. Pure."""

from collections import Counter
from collections.abc import Sequence

from gateway.api.pages.formats import Formats
from gateway.dossier.contents import Contents
from gateway.model.texts import texts_of

_SYNCED = "synced"


def describe_clock(contents: Contents, language: str) -> list[str]:
    """Sentences: how many batches were stamped by which clock, and how many got another time."""
    texts = texts_of("dossier", language)
    states = Counter(batch.clock for batch in contents.batches)
    sentences = [
        texts["clock_synced"].format(count=count) if state == _SYNCED else _describe_state(state, count, language)
        for state, count in sorted(states.items())
    ]
    dated = sum(batch.shift_ms is not None and batch.shift_ms != 0 for batch in contents.batches)
    undated = sum(batch.shift_ms is None and batch.doubt is not None for batch in contents.batches)
    if dated:
        sentences.append(texts["clock_dated"].format(count=dated))
    if undated:
        sentences.append(texts["clock_undated"].format(count=undated))
    return [f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences] or [texts["unknown"]]


def _describe_state(state: str, count: int, language: str) -> str:
    return texts_of("dossier", language)["clock_other"].format(count=count, state=state)


def describe_node_history(contents: Contents, formats: Formats) -> list[tuple[str, Sequence[str]]]:
    """Label and sentences. Facts that Piekwacht does not register are named."""
    texts = texts_of("dossier", formats.language)
    late = sum(batch.late for batch in contents.batches)
    batches = [texts["batches_of"].format(count=len(contents.batches), late=late) + "."]
    deleted = sum(not batch.payload for batch in contents.batches)
    if deleted:
        batches.append(texts["batches_deleted"].format(count=deleted))
    configurations = [
        texts["configuration_item"].format(
            version=configuration.version, at=formats.date_time_seconds(configuration.desired_at.isoformat())
        )
        for configuration in contents.configurations
    ]
    return [
        (texts["calibration"], _describe_calibrations(contents, formats) or [texts["calibration_none"]]),
        (texts["field_checks"], [texts["field_checks_none"]]),
        (texts["configurations"], configurations or [texts["configurations_none"]]),
        (texts["batches"], batches),
        (texts["clock"], describe_clock(contents, formats.language)),
    ]


def _describe_calibrations(contents: Contents, formats: Formats) -> list[str]:
    text = texts_of("dossier", formats.language)["calibration_item"]
    return [
        text.format(
            label=calibration.label,
            sensor=" ".join(filter(None, (calibration.sensor_model, calibration.serial))),
            at=formats.date_time_seconds(calibration.valid_from.isoformat()),
            source=calibration.source.rstrip("."),
            author=calibration.author,
        )
        for calibration in contents.calibrations
    ]


def describe_operator_reports(contents: Contents, formats: Formats) -> list[str]:
    """Nodes that sent twice, and silences with their reasons; no name of a person."""
    texts = texts_of("dossier", formats.language)
    copies = [
        texts["copies_item"].format(
            node=copy.node,
            start=formats.date_time_seconds(copy.first_at.isoformat()),
            end=formats.date_time_seconds(copy.last_at.isoformat()),
        )
        for copy in contents.copies
    ]
    silences = [
        texts["maintenance_item" if silence.kind == "maintenance" else "silence_item"].format(
            start=formats.date_time_seconds(silence.starts_at.isoformat()),
            end=formats.date_time_seconds(silence.ends_at.isoformat()),
            reason=silence.reason.rstrip("."),
        )
        for silence in contents.silences
    ]
    return copies + silences
