"""Detects one event again from signed batches: `piekwacht events replay` and `piekwacht verify` compare the result.

`EventRepetition` runs flagging and detection as ingest does. `repeat_detection` builds everything that it needs from
plain values, without a database. Nothing of the event itself goes into it but its id.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from edge_agent.wire import Topic, TopicKind, Verifier
from gateway.decoding.decode import Payload, VerifiedBatch, decode_payload, place_observations
from gateway.detection.analyzer import Analyzer, AnalyzerState
from gateway.detection.detector import Detector
from gateway.detection.kernels.gaps import LONGEST_SILENCE_MS
from gateway.detection.settings import DetectionSettings
from gateway.detection.stored_states import choose_parts, place_states
from gateway.errors import GatewayError
from gateway.model.event import Event
from gateway.model.properties import PROPERTIES
from gateway.model.registry import Area, Datastream, Node, ObservedProperty, Registry, Site, Station
from gateway.model.severity import classify_severity
from gateway.model.timestamps import to_ms
from gateway.quality.flagger import Flagger
from gateway.transparency.sources import publish_event

_BATCHES_AT_ONCE = 500  # bounds the memory for their rows


class RepetitionError(GatewayError):
    """The event cannot be detected again; the message names the reason."""


class EventRepetition:
    """Runs the detector over batches and collects the revisions of one event."""

    def __init__(self, analyzer: Analyzer, state: AnalyzerState, registry: Registry, event: str) -> None:
        self._analyzer, self._state, self._registry, self._event = analyzer, state, registry, event
        self.revisions: dict[int, Event] = {}
        """Revision number -> event."""

    @property
    def newest(self) -> int:
        """Number of the newest revision; 0 before the first."""
        return max(self.revisions, default=0)

    def add(self, batches: Sequence[VerifiedBatch]) -> None:
        """Detect on the next batches, in their order."""
        rows = place_observations(batches, self._registry)
        self._state, _, events = self._analyzer.analyze(self._state, rows)
        self._collect(events)

    def end_without_data(self, end: datetime) -> None:
        """Add the revision that the clock of the gateway caused, if the datastream of the event fell silent."""
        _, events = self._analyzer.end_silent_events(self._state, to_ms(end) + LONGEST_SILENCE_MS + 1)
        self._collect(events)

    def _collect(self, events: Sequence[Event]) -> None:
        self.revisions |= {event.revision: event for event in events if event.id == self._event}


@dataclass(frozen=True, kw_only=True)
class RegistryFacts:
    """Registry of one area by plain values: each mapping has the fields of the type of that name in `model.registry`.

    A property also has `name_nl` and `name_en`; a datastream has no slot: its place in the list is the slot.
    """

    area: str
    stations: Sequence[Mapping[str, Any]]
    sites: Sequence[Mapping[str, Any]]
    properties: Sequence[Mapping[str, Any]]
    datastreams: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, kw_only=True)
class ArrivedBatch:
    """A batch as it arrived. `key`: verifier key of the node; `late`: it came by the backlog or from quarantine."""

    node: str
    key: str
    payload: bytes
    received_at: datetime
    late: bool


@dataclass(frozen=True, kw_only=True)
class StartStates:
    """States of flagging and detection before the first batch, one after the other in the order of `ids`."""

    ids: Sequence[int]
    quality: bytes
    detection: bytes


@dataclass(frozen=True, kw_only=True)
class WantedEvent:
    """The event to detect. `end`: when it ended, for an event that ended without data."""

    id: str
    revision: int
    end: datetime | None


def name_detector(parameters: str) -> str:
    """Name of this program's detector with these parameters (JSON). Raises RepetitionError for what is none."""
    return _build_detector(parameters).name


def repeat_detection(
    parameters: str,
    facts: RegistryFacts,
    states: StartStates,
    batches: Iterable[ArrivedBatch],
    target: WantedEvent,
) -> dict[int, dict[str, Any]]:
    """Return revision -> event as the log has it, apart from `changedAt`. Raises RepetitionError."""
    analyzer = Analyzer(flagger=Flagger(), detector=_build_detector(parameters))
    try:
        return _repeat(analyzer, facts, states, batches, target)
    except (ArithmeticError, LookupError, TypeError, ValueError) as error:
        raise RepetitionError(
            f"state and stations are not those of a detector: {type(error).__name__}: {error}"
        ) from None


def _repeat(
    analyzer: Analyzer,
    facts: RegistryFacts,
    states: StartStates,
    batches: Iterable[ArrivedBatch],
    target: WantedEvent,
) -> dict[int, dict[str, Any]]:
    registry = build_registry(facts)
    repetition = EventRepetition(analyzer, _load_states(analyzer, registry, states), registry, target.id)
    decoder = _Decoder(registry, facts.area)
    remaining = iter(batches)
    while some := list(islice(remaining, _BATCHES_AT_ONCE)):
        repetition.add([decoder.decode(batch) for batch in some])
        if repetition.newest >= target.revision:
            break
    if repetition.newest < target.revision and target.end is not None:
        repetition.end_without_data(target.end)
    return {revision: _publish(event, registry) for revision, event in repetition.revisions.items()}


def _build_detector(parameters: str) -> Detector:
    try:
        return Detector(msgspec.json.decode(parameters, type=DetectionSettings))
    except (msgspec.MsgspecError, ValueError) as error:
        raise RepetitionError(f"the parameters of the detector cannot be used: {error}") from None


def build_registry(facts: RegistryFacts) -> Registry:
    """Build the registry of one area. Raises RepetitionError if the facts contradict each other."""
    try:
        datastreams = [Datastream(slot=slot, **values) for slot, values in enumerate(facts.datastreams)]
        areas = {facts.area, *(values["area"] for values in facts.stations)}
        registry = Registry(
            areas={id_: Area(id=id_, name=id_, authority="", outline={}) for id_ in sorted(areas)},
            sites=[Site(area=facts.area, operator="", **values) for values in facts.sites],
            stations={values["id"]: Station(**values) for values in facts.stations},
            nodes={},
            properties={values["id"]: _build_property(values) for values in facts.properties},
            datastreams=datastreams,
            slots={(d.node, d.observed_property): d.slot for d in datastreams},
        )
        unknown = [
            d
            for d in datastreams
            if d.station not in registry.stations or d.observed_property not in registry.properties
        ]
    except (TypeError, KeyError) as error:
        raise RepetitionError(f"the stations, properties and datastreams do not fit together: {error}") from None
    if unknown:
        raise RepetitionError(f"the datastream {unknown[0].id} is of an unknown station or property")
    return registry


def _build_property(values: Mapping[str, Any]) -> ObservedProperty:
    names = {"nl": values["name_nl"], "en": values["name_en"]}
    shipped, severity = PROPERTIES.get(values["id"]), values["severity"]
    return ObservedProperty(
        id=values["id"],
        unit=values["unit"],
        name=names,
        names_in_text=names if shipped is None else shipped.names_in_text,
        lower=values["lower"],
        upper=values["upper"],
        max_rise=values["max_rise"],
        severity_levels=None if severity is None else tuple(severity),
    )


def _load_states(analyzer: Analyzer, registry: Registry, states: StartStates) -> AnalyzerState:
    slots = {datastream.id: datastream.slot for datastream in registry.datastreams}
    present = [id_ for id_ in states.ids if id_ in slots]
    try:
        quality = choose_parts(states.quality, states.ids, present)
        detection = place_states(states.detection, states.ids, slots)
        return analyzer.load(registry, _split(quality, present, slots), detection)
    except ValueError as error:
        raise RepetitionError(f"the state is not one of this detector: {error}") from None


def _split(states: bytes, ids: Sequence[int], slots: Mapping[int, int]) -> dict[int, bytes]:
    width = len(states) // max(1, len(ids))
    return {slots[id_]: states[i * width : (i + 1) * width] for i, id_ in enumerate(ids)}


class _Decoder:
    """Decodes batches with the keys of their nodes; a registry serves for each node and key."""

    def __init__(self, registry: Registry, area: str) -> None:
        self._registry, self._area = registry, area
        self._registries: dict[tuple[str, str], Registry] = {}

    def decode(self, batch: ArrivedBatch) -> VerifiedBatch:
        """Decode a batch as ingest does. Raises RepetitionError for one that ingest would have refused."""
        registry = self._registries.get((batch.node, batch.key)) or self._register(batch)
        topic = Topic(area=self._area, node=batch.node, kind=TopicKind.READINGS)
        payload = Payload(topic=str(topic), body=batch.payload, received_at=batch.received_at, replayed=batch.late)
        decoded = decode_payload(payload, registry)
        if not isinstance(decoded, VerifiedBatch):
            raise RepetitionError(f"a batch of {batch.node} cannot be read: {decoded.detail}")
        return decoded

    def _register(self, batch: ArrivedBatch) -> Registry:
        node = Node(id=batch.node, area=self._area, station="", key=Verifier.parse(batch.key))
        registry = self._registries[batch.node, batch.key] = replace(self._registry, nodes={node.id: node})
        return registry


def _publish(event: Event, registry: Registry) -> dict[str, Any]:
    station, observed_property = registry.stations[event.station], registry.properties[event.observed_property]
    body = {
        **msgspec.json.decode(msgspec.json.encode(event)),
        "area": station.area,
        "station_name": station.name,
        "unit": observed_property.unit,
        "severity": classify_severity(event.excess, observed_property.severity_levels).value,
        "changed_at": "1970-01-01T00:00:00+00:00",
    }
    published = msgspec.json.decode(msgspec.json.encode(publish_event(body)))
    return {name: value for name, value in published.items() if name != "changedAt"}
