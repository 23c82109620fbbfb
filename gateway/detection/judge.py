"""The trained judge: decision trees in judge.json, which tests/benchmarks/detection/train_judge.py writes."""

import hashlib
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from gateway.detection.kernels.judge import FEATURES
from gateway.detection.records import DecisionTrees

JUDGE_FILE = Path(__file__).with_name("judge.json")


class JudgeFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """judge.json.

    features  names, in the order of their numbers in `trees`
    training  what it was trained on
    trees     each a list of nodes: [feature, limit, left, right], or [value] in log odds for a leaf; the first is the
              root. A value of at most `limit` leads to the node `left`
    """

    features: list[str]
    training: dict[str, str]
    trees: list[list[list[float]]]


@cache
def load_judge() -> DecisionTrees:
    """Return the shipped judge. Raises ValueError if the file has other features than the kernel."""
    return build_judge(msgspec.json.decode(JUDGE_FILE.read_bytes(), type=JudgeFile))


@cache
def hash_judge() -> str:
    """Return the SHA-256 of the shipped judge's file, in hexadecimal digits."""
    return hashlib.sha256(JUDGE_FILE.read_bytes()).hexdigest()


def build_judge(file: JudgeFile) -> DecisionTrees:
    """Return the trees as arrays. Raises ValueError if the file has other features than the kernel."""
    if tuple(file.features) != FEATURES:
        raise ValueError(f"{JUDGE_FILE.name} has the features {file.features}, the kernel has {list(FEATURES)}")
    roots = np.cumsum([0, *(len(tree) for tree in file.trees)])
    nodes = [
        (int(node[0]), node[1], root + int(node[2]), root + int(node[3]), 0.0)
        if len(node) > 1
        else (-1, 0.0, 0, 0, node[0])
        for root, tree in zip(roots.tolist(), file.trees, strict=False)
        for node in tree
    ]
    feature, limit, left, right, value = zip(*nodes, strict=True)
    return DecisionTrees(
        roots=np.array(roots[:-1], np.int32),
        feature=np.array(feature, np.int32),
        limit=np.array(limit, np.float64),
        left=np.array(left, np.int32),
        right=np.array(right, np.int32),
        value=np.array(value, np.float64),
    )
