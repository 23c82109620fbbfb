"""Evidence files with changes at random: most are false, some stay true."""

import json
import random
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import msgspec

from gateway.transparency.leaf import LeafKind
from gateway.verification.evidence_file import LoggedLeaf, PublishedValue
from tests.browser.evidence_verdict import flip_base64
from tests.browser.evidence_world import INCARNATION, EvidenceWorld, to_dict

Tree = dict[str, Any]
_SIGNS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=-_. \n"


def make_cases(world: EvidenceWorld, seed: int, count: int) -> Iterator[bytes]:
    """True files, and files with one or two changes."""
    random_numbers = random.Random(seed)
    bases = list(make_true_files(world))
    yield from (json.dumps(base).encode() for base in bases)
    for _ in range(count - len(bases)):
        tree = json.loads(json.dumps(random_numbers.choice(bases)))
        for _ in range(random_numbers.choice((1, 1, 1, 2))):
            with suppress(KeyError, TypeError, ValueError):  # an earlier change may have removed its place
                random_numbers.choice(CHANGES)(tree, random_numbers)
        content = json.dumps(tree).encode()
        yield random_numbers.choice(FILE_CHANGES)(content, random_numbers) if random_numbers.random() < 0.1 else content


def make_true_files(world: EvidenceWorld) -> Iterator[Tree]:
    """Files of several kinds, each true."""
    older_head = world.sign_head()
    older_proof = world.prove(world.key_index, older_head)
    evidence = world.make_evidence()
    yield to_dict(evidence)
    yield to_dict(world.make_evidence(claim=None))
    yield {**to_dict(evidence), "policy": world.write_policy(quorum="none")}
    yield {**to_dict(evidence), "policy": world.write_policy(group="any")}
    yield {
        **to_dict(evidence),
        "node_key": msgspec.to_builtins(LoggedLeaf(leaf=world.key_leaf.encode().decode(), proof=older_proof)),
    }
    published = PublishedValue(value=None, flags=["humidity", "maintenance"], corrected=None, rule=None)
    flagged = world.claim(observed_property="humidity", value=61.5, flags=64, published=published)
    yield to_dict(world.make_evidence(claim=flagged))
    corrected = PublishedValue(value=12.5, flags=[], corrected=9.5, rule="kappa-koehler 2")
    yield to_dict(world.make_evidence(claim=world.claim(published=corrected)))
    yield to_dict(world.make_evidence(claim=world.claim(stamped_at=world.claim().observed_at)))
    event = world.log_document({"id": "e"}, LeafKind.EVENT, ("e", "1"))
    yield to_dict(world.make_evidence(events=[event]))


def _strings(tree: Any) -> Iterator[tuple[Any, Any]]:
    """(container, key) of every string in the tree."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for key, value in list(items):
        if isinstance(value, str):
            yield tree, key
        elif isinstance(value, dict | list):
            yield from _strings(value)


def change_character(tree: Tree, numbers: random.Random) -> None:
    container, key = numbers.choice(list(_strings(tree)))
    text = container[key]
    at = numbers.randrange(len(text) + 1)
    container[key] = numbers.choice((
        text[:at] + numbers.choice(_SIGNS) + text[at + 1 :],
        text[:at] + text[at + 1 :],
        text[:at] + numbers.choice(_SIGNS) + text[at:],
    ))  # fmt: skip


def change_signed_byte(tree: Tree, numbers: random.Random) -> None:
    tree["batch"]["signed"] = flip_base64(tree["batch"]["signed"], numbers.randrange(500))


def change_line(tree: Tree, numbers: random.Random) -> None:
    """Remove, repeat or move a line of a proof, leaf or policy."""
    place = numbers.choice((tree["batch"], tree["node_key"], tree))
    name = "policy" if place is tree else "proof"
    lines = place[name].split("\n")
    at, other = numbers.randrange(len(lines)), numbers.randrange(len(lines))
    kind = numbers.randrange(4)
    if kind == 0:
        del lines[at]
    elif kind == 1:
        lines.insert(other, lines[at])
    elif kind == 2:
        lines[at], lines[other] = lines[other], lines[at]
    else:
        lines.insert(1, "extra QUJD")
    place[name] = "\n".join(lines)


def exchange_proofs(tree: Tree, numbers: random.Random) -> None:
    del numbers
    tree["batch"]["proof"], tree["node_key"]["proof"] = tree["node_key"]["proof"], tree["batch"]["proof"]


def change_index(tree: Tree, numbers: random.Random) -> None:
    place = numbers.choice((tree["batch"], tree["node_key"]))
    place["proof"] = place["proof"].replace("index ", f"index {numbers.choice(('1', '-', '0', ''))}", 1)


def change_claim(tree: Tree, numbers: random.Random) -> None:
    if tree["claim"] is None:
        return
    name, value = numbers.choice((
        ("value", 12.500000000000002), ("value", None), ("value", 8.1), ("value", 61.5), ("flags", 1), ("flags", 64),
        ("observed_at", "2026-11-29T02:00:02.000Z"), ("observed_at", "2026-11-31T02:00:01.000Z"), ("station", "velsen"),
        ("node", "ijm-002"), ("property", "humidity"), ("property", "pm10"), ("stamped_at", "2026-11-29T02:00:00.000Z"),
        ("stamped_at", None), ("flags", -1), ("value", "12.5"),
    ))  # fmt: skip
    tree["claim"][name] = value


def change_published(tree: Tree, numbers: random.Random) -> None:
    if tree["claim"] is None:
        return
    name, value = numbers.choice((
        ("value", 12.5), ("value", 13), ("value", None), ("flags", []), ("flags", ["humidity"]), ("flags", ["stuck"]),
        ("flags", ["none"]), ("flags", ["humidity", "jump"]), ("corrected", 3.5), ("rule", "r 1"), ("rule", None),
    ))  # fmt: skip
    tree["claim"]["published"][name] = value


def change_key(tree: Tree, numbers: random.Random) -> None:
    """Remove or add a key anywhere."""
    place = numbers.choice([tree, tree["batch"], tree["node_key"], *([tree["claim"]] if tree["claim"] else [])])
    if numbers.random() < 0.5:
        place[numbers.choice(("unknown", "constructor", "__proto__"))] = 1
    else:
        del place[numbers.choice(list(place))]


def change_numbers(tree: Tree, numbers: random.Random) -> None:
    name, value = numbers.choice((
        ("number", 18), ("number", 17.0), ("number", "17"), ("node", "ijm-002"), ("incarnation", INCARNATION[::-1]),
    ))  # fmt: skip
    tree["batch"][name] = value


CHANGES: tuple[Callable[[Tree, random.Random], None], ...] = (
    change_character, change_character, change_signed_byte, change_line, change_line, exchange_proofs, change_index,
    change_claim, change_published, change_key, change_numbers,
)  # fmt: skip


def cut_off(content: bytes, numbers: random.Random) -> bytes:
    return content[: numbers.randrange(len(content))]


def flip_byte(content: bytes, numbers: random.Random) -> bytes:
    changed = bytearray(content)
    changed[numbers.randrange(len(content))] ^= 1 << numbers.randrange(8)
    return bytes(changed)


def repeat_key(content: bytes, numbers: random.Random) -> bytes:
    del numbers
    return content.replace(b'"policy":', b'"policy": "", "policy":', 1)


def add_space(content: bytes, numbers: random.Random) -> bytes:
    del numbers
    return b"\n " + content.replace(b": ", b" :\t") + b"\r\n"


FILE_CHANGES: tuple[Callable[[bytes, random.Random], bytes], ...] = (cut_off, flip_byte, repeat_key, add_space)
