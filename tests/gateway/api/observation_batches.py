"""Readings for the tests of the API."""

from datetime import UTC, datetime

from tests.gateway.enrolled_node import T0


async def ingest_observations(
    pipeline, node, seconds=170, *, start=T0, first_seq=1, plume=range(100, 120), humidity=None
):
    """Ingest `seconds` of clean air from `start` (ms), with 90 µg/m³ more in the seconds of `plume`.

    `humidity`: a function of the second, in %; without it no humidity is measured. Returns the live messages.
    """
    live_messages = []
    for second in range(0, seconds, 10):
        values = [8.0 + 0.1 * (s % 3) + (90.0 if s in plume else 0.0) for s in range(second, second + 10)]
        humidity_values = {} if humidity is None else {"humidity": [humidity(s) for s in range(second, second + 10)]}
        payload = node.payload(
            second + first_seq,
            t0=start + second * 1000,
            dt=[i * 1000 for i in range(10)],
            values={"pm2_5": values, **humidity_values},
            received_at=datetime.fromtimestamp(start / 1000 + second + 10, UTC),
        )
        live_messages += (await pipeline.process([payload])).live_messages
    return live_messages
