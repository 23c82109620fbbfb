"""Seconds of air for the tests of what the public reads."""

from datetime import UTC, datetime

from tests.gateway.enrolled_node import T0


async def fill(pipeline, node, seconds=170, *, start=T0, first=1, plume=range(100, 120), humidity=None):
    """Clean air, and in the seconds of `plume` 90 more; all of it ends `seconds` after `start` (ms).

    `humidity`: a function of the second, in %; without it none is measured.
    """
    live = []
    for second in range(0, seconds, 10):
        values = [8.0 + 0.1 * (s % 3) + (90.0 if s in plume else 0.0) for s in range(second, second + 10)]
        others = {} if humidity is None else {"humidity": [humidity(s) for s in range(second, second + 10)]}
        payload = node.payload(
            second + first,
            t0=start + second * 1000,
            dt=[i * 1000 for i in range(10)],
            values={"pm2_5": values, **others},
            received_at=datetime.fromtimestamp(start / 1000 + second + 10, UTC),
        )
        live += (await pipeline.process([payload])).live
    return live
