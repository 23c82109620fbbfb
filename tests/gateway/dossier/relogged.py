"""A detection file in a log that its operator wrote anew: every leaf, proof and head fits, whatever he changed."""

import base64
import json

from msgspec.structs import replace

from edge_agent.signing import Signer
from gateway.transparency.leaf import Leaf, LeafKind, describe_batch, encode_canonically, hash_content
from gateway.transparency.range_proof import prove_range
from gateway.verification.batch_steps import read_batch, split_note
from gateway.verification.detection_file import RepeatedEvent
from tests.gateway.transparency.leaf_log import LeafLog
from tests.gateway.verification.detection_text import DetectionFile

ORIGIN = "piekwacht.example/log/ijmond"


def relog(
    file: DetectionFile, *, events=None, detector=None, ranges=None, leaves=None, state=None, is_late=False
) -> tuple[bytes, str]:
    """Return the file and the policy of the new log. Arguments replace parts of the file.

    `is_late`: the leaf of the state follows the batches.
    """
    log = LeafLog(Signer.generate(ORIGIN))
    leaves = file.leaves if leaves is None else leaves
    revisions = file.events[0].revisions
    documents = {
        "detector": [change_document(file.detector, detector)],
        "ranges": [change_document(file.ranges, ranges)],
        "events": [change_document(item, text) for item, text in zip(revisions, events or revisions, strict=True)],
    }
    state_leaf = None
    for items in (documents["detector"], documents["ranges"], file.node_keys):
        for item in items:
            log.add(item.leaf.encode())
    first = len(log.leaves) + (state is not None and not is_late)
    if state is not None:
        fields = Leaf.parse(documents["detector"][0].leaf.encode()).fields[0], str(first)
        state_leaf = Leaf(kind=LeafKind.DETECTOR_STATE, fields=fields, content=hash_content(state.encode()))
    entries = [leaf.entry.encode() if leaf.signed is None else describe_signed(leaf) for leaf in leaves]
    if state_leaf is not None:
        entries.insert(len(entries) if is_late else 0, state_leaf.encode())
    for entry in entries:
        log.add(entry)
    for item in documents["events"]:
        log.add(item.leaf.encode())
    return write(file, log, documents, leaves, (first, state, state_leaf)), f"log {log.signer.verifier}\nquorum none\n"


def write(file, log, documents, leaves, start):
    first, state, state_leaf = start
    note = log.checkpoint().sign(log.signer)

    def prove(item):
        return replace(item, proof=log.prove(log.leaves.index(item.leaf.encode()), note))

    logged = None
    if state_leaf is not None:
        logged = prove(replace(file.node_keys[0], leaf=state_leaf.encode().decode()))
    hashes = prove_range(first, first + len(leaves), len(log.leaves), log.read_hash)
    return replace(
        file,
        events=[RepeatedEvent(revisions=[prove(item) for item in documents["events"]], last_leaf=len(log.leaves))],
        detector=prove(documents["detector"][0]),
        ranges=prove(documents["ranges"][0]),
        node_keys=[prove(item) for item in file.node_keys],
        state=replace(file.state, document=state or file.state.document, logged=logged),
        first_leaf=first,
        leaves=leaves,
        range_proof=[base64.b64encode(item).decode() for item in hashes],
        checkpoint=note.decode(),
    ).encode()


def describe_signed(leaf):
    payload = base64.b64decode(leaf.signed)
    batch = read_batch(split_note(payload)[0])
    return describe_batch(batch.node, batch.inc, batch.seq, payload).encode()


def change_document(item, document):
    """The document with its own hash in its leaf; unchanged without another one."""
    if document is None or document is item:
        return item
    leaf = replace(Leaf.parse(item.leaf.encode()), content=hash_content(document.encode()))
    return replace(item, document=document, leaf=leaf.encode().decode())


def change_values(document, **values):
    """Canonical JSON with other values."""
    return encode_canonically(json.loads(document) | values).decode()
