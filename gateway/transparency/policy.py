"""Policies: which logs and witnesses somebody trusts, and how many must have signed; https://c2sp.org/tlog-policy.

log <verifier key> [<address>]
witness <name> <witness key> [<address>]
group <name> all|any|<number> <name>...
quorum <name>|none
"""

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Self

from msgspec import Struct

from edge_agent.signing import NoteError, Verifier
from gateway.transparency.checkpoint import Checkpoint, open_checkpoint, read_checkpoint
from gateway.transparency.cosignature import Cosignature, WitnessKey
from gateway.transparency.errors import ProofError

_NUMBER = re.compile(r"[0-9]{1,9}")


class TrustedLog(Struct, frozen=True, kw_only=True):
    """A log by its key, whose name is the origin; `address` is optional."""

    key: Verifier
    address: str | None


class Witness(Struct, frozen=True, kw_only=True):
    """A witness by its key; `name` is used within the policy only."""

    name: str
    key: WitnessKey
    address: str | None


class Group(Struct, frozen=True, kw_only=True):
    """At least `threshold` of these members, witnesses or groups."""

    threshold: int
    members: tuple[str, ...]


class Policy(Struct, frozen=True, kw_only=True):
    """`quorum` None: no witness is required."""

    logs: Mapping[str, TrustedLog]
    witnesses: Mapping[str, Witness]
    groups: Mapping[str, Group]
    quorum: str | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a policy. Raises ProofError that names the line and what is wrong with it."""
        reader = _PolicyReader()
        for number, line in enumerate(text.split("\n"), start=1):
            words = line.replace("\t", " ").split()
            if words and not words[0].startswith("#"):
                try:
                    reader.read(words)
                except (ProofError, NoteError) as error:
                    raise ProofError(f"line {number} of the policy: {error}") from None
        if not reader.has_quorum:
            raise ProofError("the policy has no line `quorum`")
        return cls(logs=reader.logs, witnesses=reader.witnesses, groups=reader.groups, quorum=reader.quorum)

    def open(self, note: bytes) -> tuple[Checkpoint, list[Cosignature]]:
        """Verify a checkpoint by this policy; return it with the cosignatures of known witnesses.

        Raises ProofError for an unknown log, a false signature, or fewer witnesses than the quorum demands.
        """
        checkpoint = read_checkpoint(note)
        log = self.logs.get(checkpoint.origin)
        if log is None:
            raise ProofError(f"the policy does not know the log {checkpoint.origin}")
        open_checkpoint(note, log.key)
        cosignatures = {name: witness.key.check(note) for name, witness in self.witnesses.items()}
        present = {name for name, cosignature in cosignatures.items() if cosignature is not None}
        if self.quorum is not None and not self._is_met(self.quorum, present):
            raise ProofError(f"the policy demands {self.describe_quorum()}, and {_name_all(sorted(present))} signed")
        return checkpoint, [cosignature for cosignature in cosignatures.values() if cosignature is not None]

    def describe_quorum(self) -> str:
        """Describe the witnesses that the quorum demands."""
        if self.quorum is None:
            return "no witness"
        group = self.groups.get(self.quorum)
        if group is None:
            return f"the witness {self.quorum}"
        return f"{group.threshold} of {', '.join(group.members)}"

    def _is_met(self, name: str, present: Collection[str]) -> bool:
        group = self.groups.get(name)
        if group is None:
            return name in present
        return sum(self._is_met(member, present) for member in group.members) >= group.threshold


class _PolicyReader:
    def __init__(self) -> None:
        self.logs: dict[str, TrustedLog] = {}
        self.witnesses: dict[str, Witness] = {}
        self.groups: dict[str, Group] = {}
        self.quorum: str | None = None
        self.has_quorum = False
        self._public_keys: set[bytes] = set()
        self._readers: Mapping[str, Callable[[Sequence[str]], None]] = {
            "log": self._read_log,
            "witness": self._read_witness,
            "group": self._read_group,
            "quorum": self._read_quorum,
        }

    def read(self, words: Sequence[str]) -> None:
        reader = self._readers.get(words[0])
        if reader is None:
            raise ProofError(f"{words[0]!r} is none of log, witness, group and quorum")
        reader(words[1:])

    def _read_log(self, words: Sequence[str]) -> None:
        if len(words) not in {1, 2}:
            raise ProofError("a log has a key and perhaps an address")
        key = Verifier.parse(words[0])
        self._add_key(key.public)
        self.logs[key.name] = TrustedLog(key=key, address=words[1] if len(words) == 2 else None)

    def _read_witness(self, words: Sequence[str]) -> None:
        if len(words) not in {2, 3}:
            raise ProofError("a witness has a name, a key and perhaps an address")
        name, key = self._new_name(words[0]), WitnessKey.parse(words[1])
        self._add_key(key.public)
        self.witnesses[name] = Witness(name=name, key=key, address=words[2] if len(words) == 3 else None)

    def _read_group(self, words: Sequence[str]) -> None:
        if len(words) < 3:
            raise ProofError("a group has a name, a threshold and members")
        name, members = self._new_name(words[0]), tuple(words[2:])
        for member in members:
            self._check_defined(member)
        if len(set(members)) != len(members):
            raise ProofError(f"the group {name} names a member twice")
        threshold = {"any": "1", "all": str(len(members))}.get(words[1], words[1])
        if not _NUMBER.fullmatch(threshold) or not 1 <= int(threshold) <= len(members):
            raise ProofError(f"the threshold {words[1]!r} of {name} is not all, any or 1 to {len(members)}")
        self.groups[name] = Group(threshold=int(threshold), members=members)

    def _read_quorum(self, words: Sequence[str]) -> None:
        if self.has_quorum or len(words) != 1:
            raise ProofError("a policy has one quorum, with one name")
        if words[0] != "none":
            self._check_defined(words[0])
            self.quorum = words[0]
        self.has_quorum = True

    def _new_name(self, name: str) -> str:
        if name == "none" or name in self.witnesses or name in self.groups:
            raise ProofError(f"the name {name} is taken")
        return name

    def _check_defined(self, name: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise ProofError(f"{name} is not defined on an earlier line")

    def _add_key(self, public: bytes) -> None:
        if public in self._public_keys:
            raise ProofError("this key stands on an earlier line")
        self._public_keys.add(public)


def _name_all(names: Sequence[str]) -> str:
    return ", ".join(names) if names else "nobody"
