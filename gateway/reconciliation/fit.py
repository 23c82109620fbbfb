"""Which complaints fit which events, the four counts of slots, and the chance of it. Pure; the package has rules."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import datetime

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from gateway.model.geodesy import offset_metres
from gateway.reconciliation.complaint import Complaint

_DAY = 86_400.0  # s
_MOVES = 199  # more days than this are sampled
_STEP = 300.0  # s, of the estimate of chance
_MIN_DAYS = 14  # of a period whose chance is estimated
_SECTOR = 10  # degrees: winds are sorted into 36 sectors
_SECTORS = 360 // _SECTOR
_CALM = _SECTORS  # the sector of an event without a wind: every direction fits


class FitRules(Struct, frozen=True, kw_only=True):
    """Limits within which a complaint fits an event."""

    minutes: float = 30.0
    metres: float = 5_000.0
    near_metres: float = 1_000.0  # within it every direction fits
    degrees: float = 30.0


class MeasuredEvent(Struct, frozen=True, kw_only=True):
    """An event of the comparison. `wind`: degrees that the air came from, None if unknown.

    `notified_at`: when the first resident was notified of its plume, None if nobody was. Degrees WGS 84.
    """

    id: str
    station: str
    latitude: float
    longitude: float
    onset: datetime
    end: datetime
    wind: float | None
    notified_at: datetime | None = None


class FourCounts(Struct, frozen=True, kw_only=True):
    """Slots of half an hour: with an event and a fitting complaint, with one of both alone, with neither."""

    both: int
    event_only: int
    complaint_only: int
    neither: int


class ComplaintReconciliation(Struct, frozen=True, kw_only=True):
    """The result. `events_by_complaint`: ids of the fitting events, in the order of the complaints.

    persons           persons per slot that complained
    fitting           of these: those with a fitting event, before residents were notified of it or without that
    after_notice      those that fit only events of which residents had been notified before
    expected          mean number of fitting persons if the complaints are moved by whole days; None: under 14 days
    chance            share of such moves, the real one included, with at least as many fitting persons; None likewise
    """

    events_by_complaint: Sequence[Sequence[str]]
    counts: FourCounts
    persons: int
    fitting: int
    after_notice: int
    expected: float | None
    chance: float | None


def reconcile(
    complaints: Sequence[Complaint],
    events: Sequence[MeasuredEvent],
    period: tuple[datetime, datetime],
    rules: FitRules | None = None,
    seed: int = 1,
) -> ComplaintReconciliation:
    """Compare complaints and events of a period, [start, end). Those outside it must be left out before."""
    comparison = _Comparison(complaints, events, period, rules or FitRules())
    matches = comparison.list_matches()
    by_person: dict[tuple[str, int], list[int]] = {}
    for row, complaint in enumerate(complaints):
        by_person.setdefault((complaint.person, int(comparison.slot_of[row])), []).append(row)
    persons = list(by_person.values())
    before = [
        rows
        for rows in persons
        if any(_is_before_notice(complaints[row], event) for row in rows for event in matches[row])
    ]
    fitting = [rows for rows in persons if any(matches[row] for row in rows)]
    expected, chance = comparison.estimate_chance(persons, seed)
    slots_of_complaints = {int(comparison.slot_of[rows[0]]) for rows in persons}
    return ComplaintReconciliation(
        events_by_complaint=[[event.id for event in matched] for matched in matches],
        counts=comparison.count_slots({int(comparison.slot_of[rows[0]]) for rows in before}, slots_of_complaints),
        persons=len(persons),
        fitting=len(before),
        after_notice=len(fitting) - len(before),
        expected=expected,
        chance=chance,
    )


def _is_before_notice(complaint: Complaint, event: MeasuredEvent) -> bool:
    return event.notified_at is None or complaint.at < event.notified_at


class _Comparison:
    """Arrays of one comparison.

    slot_of  (complaints,) slot of half an hour of each complaint
    fits     (complaints, kinds) whether the place fits; a kind is a station with one of 36 winds, or without a wind
    marked   (steps, kinds) whether an event of that kind lies at most `minutes` from that step of five minutes
    """

    def __init__(
        self,
        complaints: Sequence[Complaint],
        events: Sequence[MeasuredEvent],
        period: tuple[datetime, datetime],
        rules: FitRules,
    ) -> None:
        self._complaints, self._rules = complaints, rules
        self._events = sorted(events, key=lambda event: event.onset)
        self._stations = sorted({event.station for event in events})
        self._start, self._slot = period[0].timestamp(), rules.minutes * 60
        self._slots = max(1, int(np.ceil((period[1].timestamp() - self._start) / self._slot)))
        self._steps = max(1, int(np.ceil((period[1].timestamp() - self._start) / _STEP)))
        at = np.array([complaint.at.timestamp() for complaint in complaints], dtype=np.float64)
        self.slot_of = ((at - self._start) // self._slot).astype(np.int64)
        self._step_of = ((at - self._start) // _STEP).astype(np.int64)
        self.fits = self._compare_places()
        self.marked, self._has_event = self._mark_slots()

    def _kind(self, event: MeasuredEvent) -> int:
        wind = _CALM if event.wind is None else round(event.wind / _SECTOR) % _SECTORS
        return self._stations.index(event.station) * (_SECTORS + 1) + wind

    def _compare_places(self) -> NDArray[np.bool_]:
        places = {event.station: (event.latitude, event.longitude) for event in self._events}
        fits = np.zeros((len(self._complaints), len(self._stations), _SECTORS + 1), dtype=np.bool_)
        downwind = (np.arange(_SECTORS) * _SECTOR + 180) % 360
        for column, station in enumerate(self._stations):
            offsets = [offset_metres(*places[station], row.latitude, row.longitude) for row in self._complaints]
            east, north = np.array(offsets, dtype=np.float64).reshape(-1, 2).T
            distance, bearing = np.hypot(east, north), np.degrees(np.arctan2(east, north))
            turn = abs((bearing[:, None] - downwind[None, :] + 180) % 360 - 180)
            fits[:, column, :_SECTORS] = (turn <= self._rules.degrees) | (distance <= self._rules.near_metres)[:, None]
            fits[:, column, _CALM] = True
            fits[:, column] &= (distance <= self._rules.metres)[:, None]
        return fits.reshape(len(self._complaints), len(self._stations) * (_SECTORS + 1))

    def _mark_slots(self) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """`marked`, and (slots,) whether an event goes on in the slot."""
        marked = np.zeros((self._steps, len(self._stations) * (_SECTORS + 1)), dtype=np.bool_)
        has_event = np.zeros(self._slots, dtype=np.bool_)
        for event in self._events:
            onset, end = event.onset.timestamp() - self._start, event.end.timestamp() - self._start
            has_event[max(0, int(onset // self._slot)) : int(end // self._slot) + 1] = True
            first, last = int((onset - self._slot) // _STEP), int((end + self._slot) // _STEP)
            marked[max(0, first) : max(0, last + 1), self._kind(event)] = True
        return marked, has_event

    def list_matches(self) -> list[list[MeasuredEvent]]:
        """Per complaint the events that fit, by onset."""
        onsets = [event.onset.timestamp() for event in self._events]
        kinds = [self._kind(event) for event in self._events]
        longest = max(
            (event.end.timestamp() - onset for event, onset in zip(self._events, onsets, strict=True)), default=0
        )
        matches = []
        for row, complaint in enumerate(self._complaints):
            at = complaint.at.timestamp()
            first = bisect_left(onsets, at - longest - self._slot)
            last = bisect_right(onsets, at + self._slot)
            matches.append(
                [
                    self._events[i]
                    for i in range(first, last)
                    if self._events[i].end.timestamp() >= at - self._slot and self.fits[row, kinds[i]]
                ]
            )
        return matches

    def count_slots(self, fitting: set[int], complained: set[int]) -> FourCounts:
        """The four counts; `fitting` are the slots with a fitting complaint."""
        event_slots = set(np.flatnonzero(self._has_event).tolist()) - fitting
        both, complaint_only = len(fitting), len(complained - fitting)
        event_only = len(event_slots - complained)
        return FourCounts(
            both=both,
            event_only=event_only,
            complaint_only=complaint_only,
            neither=self._slots - both - complaint_only - event_only,
        )

    def estimate_chance(self, persons: Sequence[Sequence[int]], seed: int) -> tuple[float | None, float | None]:
        """Mean number of fitting persons after moves by whole days, and the share with at least the real number.

        Real and moved complaints are judged in steps of five minutes. Notices play no part.
        """
        per_day = round(_DAY / _STEP)
        days = self._steps // per_day
        if days < _MIN_DAYS or not persons:
            return None, None
        order = np.array([row for rows in persons for row in rows])
        first_rows = np.cumsum([0, *(len(rows) for rows in persons[:-1])])
        fits, marked = np.packbits(self.fits[order], axis=1), np.packbits(self.marked[: days * per_day], axis=1)
        steps = self._step_of[order] % (days * per_day)
        shifts = np.arange(1, days) if days - 1 <= _MOVES else np.random.default_rng(seed).integers(1, days, _MOVES)

        def count(shift: int) -> int:
            hits = (marked[(steps + shift * per_day) % (days * per_day)] & fits).any(axis=1)
            return int(np.logical_or.reduceat(hits, first_rows).sum())

        real = count(0)
        moved = np.array([count(int(shift)) for shift in shifts])
        return float(moved.mean()), float((1 + (moved >= real).sum()) / (1 + len(moved)))
