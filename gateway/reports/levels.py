"""The part of a report that puts means beside published levels, from what was read. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from msgspec import Struct

from gateway.assessment.assess import LevelCount, SubstanceAssessment, UnassessedReason
from gateway.assessment.levels import LEVELS, LevelAveraging
from gateway.assessment.sentences import describe_refusal, name_level
from gateway.model.texts import texts_of
from gateway.reports.document import ReportDocument, StreamFigures


class LevelFigures(Struct, frozen=True, kw_only=True):
    """How often the means of a datastream were at or above a published level."""

    figures: StreamFigures
    count: LevelCount


@dataclass(frozen=True, kw_only=True)
class ReportLevels:
    """The levels of a report in its language."""

    document: ReportDocument

    @cached_property
    def rows(self) -> Sequence[LevelFigures]:
        """Every published level that could be compared, by datastream."""
        return [
            LevelFigures(figures=figures, count=count)
            for figures, assessment in self._assessments
            for count in assessment.counts
        ]

    @cached_property
    def year_refusals(self) -> Sequence[str]:
        """Of a report over a year: why a datastream has no mean over the year."""
        language, sentences = self.document.formats.language, list[str]()
        for figures, assessment in self._assessments:
            refusal = next(
                (
                    refusal
                    for refusal in assessment.refusals
                    if refusal.level.averaging is LevelAveraging.YEAR
                    and refusal.reason is not UnassessedReason.NO_WHOLE_YEAR
                ),
                None,
            )
            if refusal is not None:
                sentences.append(f"{self.document.name_stream(figures)}: {describe_refusal(refusal, language)}")
        return sentences

    @property
    def sources(self) -> Sequence[str]:
        """The documents that the levels in this report come from."""
        shown = {row.count.level.id for row in self.rows}
        published = {
            f"{level.source}, {level.edition}": level.published for level in LEVELS.values() if level.id in shown
        }
        return [f"{source} ({self.document.day(at)})" for source, at in published.items()]

    def name(self, count: LevelCount) -> str:
        """A level with the time that it averages over."""
        language = self.document.formats.language
        averaging = texts_of("assessment", language)[f"over_{count.level.averaging}"]
        return f"{name_level(count.level, language)}, {averaging}"

    @property
    def _assessments(self) -> Iterator[tuple[StreamFigures, SubstanceAssessment]]:
        for figures in self.document.streams:
            assessment = self.document.contents.assessments.get(figures.stream.id)
            if assessment is not None:
                yield figures, assessment
