"""`python -m tests.attack NAME... TARGET`: attacks as a process, so that they take no time from the measurement.

TARGET is JSON; several attacks run at once. Prints the outcomes as JSON: how often the attack got which answer.
"""

import asyncio
import json
import sys
from collections.abc import Sequence

from tests.attack.attacker import Target
from tests.attack.http_attacks import HTTP_ATTACKS
from tests.attack.mqtt_attacks import MQTT_ATTACKS

ATTACKS = {**HTTP_ATTACKS, **MQTT_ATTACKS}


async def run_attacks(names: Sequence[str], target: Target) -> dict[str, dict[str, int]]:
    """Run these attacks at once until their end."""
    outcomes = await asyncio.gather(*(ATTACKS[name](target) for name in names))
    return {name: dict(outcome.most_common()) for name, outcome in zip(names, outcomes, strict=True)}


if __name__ == "__main__":
    *names, target = sys.argv[1:]
    print(json.dumps(asyncio.run(run_attacks(names, Target(**json.loads(target))))))
