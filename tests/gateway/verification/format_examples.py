"""Examples of docs/proof-format.md, by the code: `python -m tests.gateway.verification.format_examples --write`."""

import argparse
import json
import re
import sys
from pathlib import Path

from edge_agent.wire import EXCLUDED_FLAGS, Flag
from gateway.transparency.cosignature import WitnessKey
from gateway.transparency.leaf import KINDS, describe_batch
from tests.gateway.verification.world import FIRST_NUMBER, INCARNATION, NODE, World

PAGE = Path(__file__).parents[3] / "docs" / "proof-format.md"
_EXAMPLE = re.compile(r"(<!-- example: (\w+) -->\n)```\n.*?```", re.DOTALL)
_LONGEST = 60


def make_examples():
    """Text of every example by its name."""
    world = World()
    number = FIRST_NUMBER + 1
    leaf = describe_batch(NODE, INCARNATION, number, world.batches[number])
    evidence = world.evidence(rules=False)
    leaves = (world.node_key_leaf, leaf, world.event_leaf)
    return {
        "keys": f"{world.node.verifier}\n{world.log.signer.verifier}\n{WitnessKey.of(world.witnesses[0])}\n",
        "batch": world.batches[number].decode(),
        "flags": "".join(describe_flag(flag) for flag in Flag),
        "leaves": "\n".join(leaf.encode().decode() for leaf in leaves),
        "kinds": "".join(f"{kind}: {' '.join(fields)}\n" for kind, fields in KINDS.items()),
        "checkpoint": world.note().decode(),
        "policy": world.policy(),
        "proof": evidence.batch.proof,
        "evidence": json.dumps(shorten(json.loads(evidence.encode())), indent=1, ensure_ascii=False) + "\n",
    }


def describe_flag(flag):
    """Line of a flag: its bit, its name, and whether it excludes a value."""
    return f"{flag.value:6} {flag.name.lower()}{' (excludes)' if flag & EXCLUDED_FLAGS else ''}\n"


def shorten(value):
    """Value in which long texts end in an ellipsis."""
    if isinstance(value, dict):
        return {key: shorten(item) for key, item in value.items()}
    if isinstance(value, list):
        return [shorten(item) for item in value]
    return value[:_LONGEST] + "…" if isinstance(value, str) and len(value) > _LONGEST else value


def fill_in(page):
    """The page with its examples."""
    examples = make_examples()
    return _EXAMPLE.sub(lambda match: f"{match[1]}```\n{examples[match[2]]}```", page)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    page = fill_in(PAGE.read_text(encoding="utf-8"))
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
