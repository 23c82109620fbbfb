"""Decoded payloads of one micro-batch: a header for each, and all their rows together. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Self

import numpy as np

from gateway.decoding.decode import (
    BatchHeader,
    Payload,
    RejectedPayload,
    VerifiedBatch,
    decode_payload,
    place_observations,
)
from gateway.model.observation import ObservationBatch
from gateway.model.registry import Registry


def _order_key(verified: VerifiedBatch) -> tuple[int, tuple[str, str, int], bytes]:
    return verified.first_ms, verified.key, verified.sha256


@dataclass(frozen=True, kw_only=True)
class DecodedPayloads:
    """Payloads decoded with one registry. `rows.batch` indexes `headers`."""

    payloads: Sequence[Payload]
    registry: Registry | None  # None: not decoded yet
    headers: Sequence[BatchHeader] = ()
    rejected: Sequence[RejectedPayload] = ()
    rows: ObservationBatch = field(default_factory=lambda: ObservationBatch.from_columns([], [], []))

    @classmethod
    def from_payloads(cls, payloads: Sequence[Payload], registry: Registry) -> Self:
        """Verify and decode each payload, and put them in an order that does not depend on that of their arrival.

        Within a micro-batch the order of arrival means nothing. Detection, the ids of the batches, and with these
        every replay and shadow follow the order of time, then of the key.
        """
        results = [decode_payload(payload, registry) for payload in payloads]
        verified = sorted((d for d in results if isinstance(d, VerifiedBatch)), key=_order_key)
        return cls(
            payloads=payloads,
            registry=registry,
            headers=[v.build_header(registry) for v in verified],
            rejected=[d for d in results if isinstance(d, RejectedPayload)],
            rows=place_observations(verified, registry),
        )

    def is_decoded_with(self, registry: Registry) -> bool:
        """Whether this very snapshot was used: a change of datastreams alone does not raise `Registry.version`."""
        return self.registry is registry

    def with_registry(self, registry: Registry) -> "DecodedPayloads":
        """Return the payloads decoded with this registry; decode again only if it is another one."""
        return self if self.is_decoded_with(registry) else DecodedPayloads.from_payloads(self.payloads, registry)

    def select_rows(self, headers: Sequence[BatchHeader]) -> ObservationBatch:
        """Return the rows of some of the headers; their `batch` indexes these."""
        if len(headers) == len(self.headers):
            return self.rows
        index_by_payload = {id(header.payload): batch_index for batch_index, header in enumerate(headers)}
        batch_index = np.array(
            [index_by_payload.pop(id(h.payload), -1) for h in self.headers], np.int32
        )  # one payload, once
        rows = self.rows[batch_index[self.rows.batch] >= 0]
        return replace(rows, batch=batch_index[rows.batch])
