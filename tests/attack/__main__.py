"""`python -m tests.attack NAME TARGET`: one attack as a process, so that it takes no time from what measures it.

TARGET is JSON. Prints the outcomes as JSON: how often the attack got which answer.
"""

import asyncio
import json
import sys

from tests.attack.attacker import Target
from tests.attack.http_attacks import HTTP_ATTACKS
from tests.attack.mqtt_attacks import MQTT_ATTACKS

ATTACKS = {**HTTP_ATTACKS, **MQTT_ATTACKS}


def main(name: str, target: str) -> None:
    """Run the attack until its end."""
    outcomes = asyncio.run(ATTACKS[name](Target(**json.loads(target))))
    print(json.dumps(dict(outcomes.most_common())))


if __name__ == "__main__":
    main(*sys.argv[1:])
