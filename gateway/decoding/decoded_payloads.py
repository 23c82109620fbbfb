"""Payloads as they were read: what stands in each, and all their rows together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from gateway.decoding.decode import Heading, Payload, Rejected, Verified, decode, place
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry


@dataclass(frozen=True, kw_only=True)
class Decoded:
    """Payloads as one registry reads them. `rows.batch` counts the headings."""

    payloads: Sequence[Payload]
    registry: Registry | None  # None: not read yet
    headings: Sequence[Heading] = ()
    rejected: Sequence[Rejected] = ()
    rows: ObservationBatch = field(default_factory=lambda: ObservationBatch.of([], [], []))

    @classmethod
    def of(cls, payloads: Sequence[Payload], registry: Registry) -> Self:
        """Verified and read, each for itself."""
        decoded = [decode(payload, registry) for payload in payloads]
        verified = [d for d in decoded if isinstance(d, Verified)]
        return cls(
            payloads=payloads,
            registry=registry,
            headings=[v.heading(registry) for v in verified],
            rejected=[d for d in decoded if isinstance(d, Rejected)],
            rows=place(verified, registry),
        )

    def by(self, registry: Registry) -> "Decoded":
        """As this registry reads them."""
        return self if self.registry is registry else Decoded.of(self.payloads, registry)

    def rows_of(self, chosen: Sequence[Heading]) -> ObservationBatch:
        """Of some of the headings, in their order; `batch` counts these."""
        if len(chosen) == len(self.headings):
            return self.rows
        numbers = {id(heading.payload): number for number, heading in enumerate(chosen)}
        number = np.array([numbers.pop(id(h.payload), -1) for h in self.headings], np.int32)  # one payload, once
        rows = self.rows[number[self.rows.batch] >= 0]
        return replace(rows, batch=number[rows.batch])
