"""Verify a detection file: its batches are all that the log has there, and the detector gives its events again.

The detector is the gateway's own code (`gateway.evaluation.event_repetition`), which needs numpy and numba. It is
imported when it is needed, so that everything else is checked without it.
"""

import importlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from gateway.transparency.errors import ProofError
from gateway.transparency.leaf import Leaf, LeafKind, hash_content
from gateway.transparency.logged_state import LoggedState
from gateway.verification.detection_file import DetectionHeader, DetectionReader, ReadParts, RepeatedEvent
from gateway.verification.detection_inputs import DetectionInputs, InputBatch, read_inputs
from gateway.verification.document_steps import ProvenDocument, check_detector, check_document, check_place
from gateway.verification.evidence_check import EvidenceChecker
from gateway.verification.evidence_file import LoggedDocument, LoggedLeaf
from gateway.verification.membership import HeadJudge, Membership
from gateway.verification.moment import read_moment
from gateway.verification.step import StepState, VerificationStep, is_any_false, make_step

_RANGES = "ranges-of-properties"
_NOT_DETECTED = frozenset({"changedAt"})  # when the gateway stored the revision
_REPETITION = "gateway.evaluation.event_repetition"


class _UncheckedError(Exception):
    """Why the event cannot be detected again here: variant of the sentence, and name of this program's detector."""

    def __init__(self, variant: str, own: str = "-") -> None:
        self.variant, self.own = variant, own


class DetectionResult(Struct, frozen=True, kw_only=True):
    """Steps of a detection file, and the documents of the events that it is about."""

    steps: tuple[VerificationStep, ...]
    documents: frozenset[str] = frozenset()


def check_detection(read_parts: ReadParts, checker: EvidenceChecker) -> DetectionResult:
    """Verify a detection file, which is read in parts; one false step if it cannot be read."""
    try:
        reader = DetectionReader(read_parts)
    except ProofError as error:
        return DetectionResult(steps=(make_step("file", StepState.FALSE, reason=str(error)),))
    file = reader.header
    try:
        judge, policy_step = checker.choose_judge(file.policy)
    except ProofError as error:
        return DetectionResult(steps=(make_step("policy", StepState.FALSE, reason=str(error)),))
    place = Membership(index=file.first_leaf, head=judge.judge(file.checkpoint.encode()))
    batches, leaves_step = read_inputs(reader, place, judge)
    rules, rule_steps = _check_rules(file, place, judge)
    state, state_step = _check_state(file, place, judge)
    inputs = _Inputs(file=file, batches=batches, state=state, rules=rules)
    shared_steps = [policy_step, leaves_step, state_step, *rule_steps]
    steps, documents = list(shared_steps), set[str]()
    for item in file.events:
        events, event_steps = _check_events(item, place, judge)
        event_steps += [check_detector(events[-1], rules)] if events else []
        if state is None or is_any_false([*shared_steps, *event_steps]):
            event_steps.append(make_step("detection", StepState.UNCHECKED, "inputs"))
        else:
            event_steps.append(_repeat(inputs, events, item.last_leaf))
        steps += event_steps
        documents |= {event.text for event in events}
    return DetectionResult(steps=tuple(steps), documents=frozenset(documents))


class _Inputs(Struct, frozen=True, kw_only=True):
    """Inputs that all events of a file share. `state` None: it is false."""

    file: DetectionHeader
    batches: DetectionInputs
    state: LoggedState | None
    rules: Sequence[ProvenDocument]


def _check_events(
    item: RepeatedEvent, place: Membership, judge: HeadJudge
) -> tuple[list[ProvenDocument], list[VerificationStep]]:
    """The revisions, which must be of one event, in rising order."""
    results = [
        check_document("event", document, frozenset({LeafKind.EVENT}), place, judge) for document in item.revisions
    ]
    events = [document for document, _ in results if document is not None]
    steps = [step for _, step in results]
    revisions = [event.value["revision"] for event in events]
    is_typed = all(type(revision) is int for revision in revisions)
    if not is_typed or len({event.value["id"] for event in events}) > 1 or revisions != sorted(set(revisions)):
        reason = "the revisions are not those of one event, the oldest first"
        steps.append(make_step("event", StepState.FALSE, reason=reason, values={"title": "-"}))
    return events, steps


def _check_rules(
    file: DetectionHeader, place: Membership, judge: HeadJudge
) -> tuple[list[ProvenDocument], list[VerificationStep]]:
    """Parameters of the detector, and the ranges of the properties."""
    detector, detector_step = check_document("rule", file.detector, frozenset({LeafKind.DETECTOR}), place, judge)
    ranges, ranges_step = check_document("rule", file.ranges, frozenset({LeafKind.CORRECTION_RULE}), place, judge)
    if ranges is not None and ranges.leaf.fields[0] != _RANGES:
        reason = f"the leaf is of the rule {ranges.leaf.fields[0]}, not of {_RANGES}"
        ranges_step = make_step("rule", StepState.FALSE, reason=reason, values={"title": ranges.leaf.fields[0]})
    return [document for document in (detector, ranges) if document is not None], [detector_step, ranges_step]


def _check_state(
    file: DetectionHeader, place: Membership, judge: HeadJudge
) -> tuple[LoggedState | None, VerificationStep]:
    """The state before the first leaf. Without a leaf before that one it is a statement of the operator."""
    values: dict[str, object] = {"leaf": file.first_leaf}
    try:
        state = LoggedState.parse(file.state.document)
        if file.state.logged is None:
            return state, make_step("state", StepState.UNCHECKED, values=values)
        leaf, membership = Leaf.parse(file.state.logged.leaf.encode()), _find(file.state.logged, judge)
        check_place(membership, place)
        if leaf.kind is not LeafKind.DETECTOR_STATE or leaf.fields != (state.detector, str(file.first_leaf)):
            raise ProofError(f"the leaf is of {leaf.kind} {' '.join(leaf.fields)}")
        if hash_content(file.state.document.encode()) != leaf.content:
            raise ProofError("the state has another hash than its leaf")
    except ProofError as error:
        return None, make_step("state", StepState.FALSE, reason=str(error), values=values)
    values["index"] = membership.index
    earliest = min(file.first_leaf, *(_find(item.revisions[0], judge).index for item in file.events))
    state_of_step, variant = (StepState.OK, "") if membership.index < earliest else (StepState.UNCHECKED, "late")
    return state, make_step("state", state_of_step, variant, compared={"sha256": leaf.content}, values=values)


def _find(logged: LoggedLeaf | LoggedDocument, judge: HeadJudge) -> Membership:
    return judge.find_leaf(logged.leaf.encode(), logged.proof)


def _repeat(inputs: _Inputs, events: Sequence[ProvenDocument], last_leaf: int) -> VerificationStep:
    """Step whether the detector gives all revisions of an event again from the batches up to a leaf."""
    newest = events[-1].value
    values = {"event": newest["id"], "detector": newest.get("detector"), "revision": newest["revision"]}
    values["batches"] = inputs.batches.count(last_leaf)
    try:
        compared = _compare(events, _run(inputs, last_leaf, newest))
    except _UncheckedError as unchecked:
        values["own"] = unchecked.own
        return make_step("detection", StepState.UNCHECKED, unchecked.variant, values=values)
    except ProofError as error:
        return make_step("detection", StepState.FALSE, reason=str(error), values=values)
    return make_step("detection", StepState.OK, compared=compared, values=values)


def _run(inputs: _Inputs, last_leaf: int, newest: Mapping[str, Any]) -> Mapping[int, Mapping[str, Any]]:
    """Revisions that the detector gives. Raises ProofError, or _UncheckedError if this program cannot run it."""
    (detector, ranges), file, state = inputs.rules, inputs.file, inputs.state
    name = str(newest.get("detector"))
    if state is None or state.detector != name or state.area != file.area:
        label, area = ("-", "-") if state is None else (state.detector, state.area)
        raise ProofError(f"the state is of the detector {label[:60]} in the area {area[:60]}")
    module = _load_repetition()
    quality, detection = state.decode_states()
    try:
        own = module.name_detector(detector.text)
        if own.partition("#")[0] != name.partition("#")[0]:
            raise _UncheckedError("version", own)
        revisions: Mapping[int, Mapping[str, Any]] = module.repeat_detection(
            detector.text,
            _collect_facts(module, file, ranges),
            module.StartStates(ids=state.ids, quality=quality, detection=detection),
            (_arrive(module, batch) for batch in inputs.batches.iterate(last_leaf)),
            module.WantedEvent(id=newest["id"], revision=newest["revision"], end=_read_end(newest)),
        )
    except module.RepetitionError as error:
        raise ProofError(str(error)) from None
    return revisions


def _arrive(module: Any, batch: InputBatch) -> Any:  # noqa: ANN401 - of a module
    return module.ArrivedBatch(
        node=batch.node, key=batch.key, payload=batch.payload, received_at=batch.received_at, late=batch.late
    )


def _load_repetition() -> Any:  # noqa: ANN401 - a module
    try:
        return importlib.import_module(_REPETITION)
    except ImportError:
        raise _UncheckedError("library") from None


def _read_end(event: Mapping[str, Any]) -> datetime | None:
    end = event.get("end")
    return None if end is None else read_moment(str(end))


def _collect_facts(module: Any, file: DetectionHeader, ranges: ProvenDocument) -> Any:  # noqa: ANN401 - of a module
    """The registry of the area; limits and levels of the properties are those of the log."""
    logged = ranges.value.get("properties") if isinstance(ranges.value, dict) else None
    names = {item.id: item for item in file.registry.properties}
    properties = [
        {**row, "name_nl": names[row["id"]].name_nl, "name_en": names[row["id"]].name_en}
        for row in (logged if isinstance(logged, list) else [])
        if isinstance(row, dict) and row.get("id") in names
    ]
    return module.RegistryFacts(
        area=file.area,
        stations=[msgspec.structs.asdict(item) for item in file.registry.stations],
        sites=[msgspec.structs.asdict(item) for item in file.registry.sites],
        properties=properties,
        datastreams=[msgspec.structs.asdict(item) for item in file.registry.datastreams],
    )


def _compare(events: Sequence[ProvenDocument], revisions: Mapping[int, Mapping[str, Any]]) -> dict[str, object]:
    """Values that are equal. Raises ProofError that names the first difference."""
    for event in events:
        logged, revision = event.value, event.value["revision"]
        detected = revisions.get(revision)
        if detected is None:
            raise ProofError(f"the detector gives no revision {revision}")
        for name in sorted(logged.keys() | detected.keys()):
            if name not in _NOT_DETECTED and logged.get(name) != detected.get(name):
                raise ProofError(
                    f"revision {revision}: `{name}` is {_shorten(logged.get(name))} in the log "
                    f"and {_shorten(detected.get(name))} by the detector"
                )
    newest = events[-1].value
    return {
        name: newest.get(name) for name in ("onset", "peakAt", "end", "peak", "background", "severity", "confidence")
    }


def _shorten(value: object) -> str:
    return msgspec.json.encode(value).decode()[:80]
