"""Types of the inspector API: silences, acknowledgements and explanations."""

from typing import Annotated, Literal

from msgspec import Meta, field

from alerting.decide.false_alarm import FalseAlarmCause
from gateway.api.schemas.schema import Id, Instant, Schema

MatcherText = Annotated[str, Meta(max_length=200, examples=['station="wijk-aan-zee"'])]
ReasonText = Annotated[str, Meta(max_length=1_000, examples=["onweer: de regensensor slaat op hol"])]
SilenceKind = Literal["silence", "maintenance"]


class NewSilence(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A silence to create: all of `match` has to hold, within `area`. None needs the right to every area."""

    area: Id | None = None
    match: Annotated[list[MatcherText], Meta(max_length=20)] = field(default_factory=list)
    reason: Annotated[str, Meta(min_length=1, max_length=1_000, examples=["filter vervangen"])]
    starts_at: Instant | None = None
    ends_at: Instant
    kind: SilenceKind = "silence"


class Silence(Schema, frozen=True, kw_only=True):
    """While a silence is in force, nobody is notified of matching events; the decisions are recorded all the same.

    `setAside`: why alerting does not apply this silence; null if it does.
    """

    id: Annotated[int, Meta(examples=[7])]
    match: list[MatcherText]
    kind: SilenceKind
    author: str
    reason: ReasonText
    starts_at: Instant
    ends_at: Instant
    in_force: bool
    set_aside: str | None = None


class Silences(Schema, frozen=True, kw_only=True):
    """The silences in force or to come, newest first."""

    items: list[Silence]


class SilencedAlert(Schema, frozen=True, kw_only=True):
    """An open event that would be silenced. `told`: the receivers notified so far."""

    event: Annotated[str, Meta(examples=["7ckljx4okjr6urfo"])]
    area: Id
    station: Id
    severity: Annotated[str, Meta(examples=["severe"])]
    headline: Annotated[str, Meta(examples=["Piek PM2,5 bij Wijk aan Zee: 84,0 µg/m³"])]
    told: list[str]


class SilencePreview(Schema, frozen=True, kw_only=True):
    """The open events that a silence would withhold."""

    match: list[MatcherText]
    items: list[SilencedAlert]


class NewAcknowledgement(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An acknowledgement to record."""

    note: Annotated[str, Meta(max_length=1_000, examples=["collega is onderweg"])] = ""


class Acknowledgement(Schema, frozen=True, kw_only=True):
    """One acknowledgement. `via`: command, link or account."""

    who: str
    note: str
    said_at: Instant
    via: Annotated[str, Meta(examples=["account"])]


class Acknowledgements(Schema, frozen=True, kw_only=True):
    """All acknowledgements of one event, oldest first."""

    event: str
    items: list[Acknowledgement]


class AddresseeAnswer(Schema, frozen=True, kw_only=True):
    """The outcome of an attempt for one addressee: delivered, refused, failed, unknown or abandoned."""

    addressee: Annotated[str, Meta(examples=["piket@omgevingsdienst.example"])]
    outcome: Annotated[str, Meta(examples=["refused"])]
    answer: Annotated[str, Meta(examples=["550 5.1.1 no such user"])]


class ExplanationStep(Schema, frozen=True, kw_only=True):
    """One step of the history; `code` is seen, decided, tried, gathered, spared or answered."""

    at: Instant
    code: Annotated[str, Meta(examples=["decided"])]
    sentence: Annotated[str, Meta(examples=["omgevingsdienst wordt ingelicht: een regel leidt naar deze ontvanger"])]
    particulars: Annotated[str, Meta(examples=["routed, revision 1, rules 0123456789ab"])]
    addressees: list[AddresseeAnswer] = field(default_factory=list)


class Explanation(Schema, frozen=True, kw_only=True):
    """The reasons why some receivers were notified of an event, and others were not."""

    event: str
    headline: str
    ongoing: bool
    items: list[ExplanationStep]


SeenText = Annotated[str, Meta(max_length=500, examples=["severe.ongoing.wijk-aan-zee"])]
LastDay = Annotated[str, Meta(pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}$", examples=["2027-02-01"])]
SourceScope = Literal["station", "area"]


class NewFalseAlarm(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The statement that a plume was none.

    `cause` is public; `note` is for colleagues and receivers. `seen`: as the answers of the plume returned it, so that
    a plume that changed meanwhile is not judged (409); null: the plume as it is now.
    """

    cause: Annotated[FalseAlarmCause, Meta(examples=["sensor_fault"])]
    note: Annotated[str, Meta(max_length=1_000, examples=["natte sensor"])] = ""
    seen: SeenText | None = None


class NewKnownSource(Schema, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A permitted source of a plume: its peaks below `level` notify nobody until the end of the day `until`.

    It holds for the property of the leading event, at its station or in the whole area. `seen`: as for a false alarm.
    """

    name: Annotated[str, Meta(min_length=1, max_length=120, examples=["Slakkenverwerking"])]
    legal_basis: Annotated[str, Meta(min_length=1, max_length=200, examples=["vergunning OD-2026-114"])]
    until: LastDay
    level: Annotated[float, Meta(gt=0, lt=1e9, examples=[150.0])]
    scope: SourceScope = "station"
    seen: SeenText | None = None


class StatedFalseAlarm(Schema, frozen=True, kw_only=True):
    """A false alarm as an inspector stated it, and perhaps withdrew it."""

    id: Annotated[int, Meta(examples=[3])]
    cause: Annotated[str, Meta(examples=["sensor_fault"])]
    note: str
    author: str
    stated_at: Instant
    withdrawn_at: Instant | None = None
    withdrawn_by: str | None = None


class PermittedSource(Schema, frozen=True, kw_only=True):
    """A permitted source that an inspector named at a plume; it holds until the end of its last day."""

    id: Annotated[int, Meta(examples=[5])]
    plume: Annotated[str, Meta(examples=["7ckljx4okjr6urfo"])]
    name: str
    match: list[MatcherText]
    legal_basis: str
    until: LastDay
    level: float
    author: str
    stated_at: Instant
    ended_at: Instant | None = None


class PermittedSources(Schema, frozen=True, kw_only=True):
    """The known sources in force, the first to end first."""

    items: list[PermittedSource]


class PlumeNote(Schema, frozen=True, kw_only=True):
    """One note of an inspector."""

    author: str
    text: str
    written_at: Instant


class StatedAnswers(Schema, frozen=True, kw_only=True):
    """The judgements and notes of inspectors about a plume, oldest first. `seen` belongs into the next judgement."""

    plume: Annotated[str, Meta(examples=["7ckljx4okjr6urfo"])]
    seen: SeenText
    false_alarms: list[StatedFalseAlarm]
    known_sources: list[PermittedSource]
    notes: list[PlumeNote]


SCHEMA_TYPES = (
    NewFalseAlarm, NewKnownSource, StatedFalseAlarm, PermittedSource, PermittedSources, PlumeNote, StatedAnswers,
    NewSilence, Silence, Silences, SilencedAlert, SilencePreview, NewAcknowledgement, Acknowledgement,
    Acknowledgements, AddresseeAnswer, ExplanationStep, Explanation,
)  # fmt: skip
