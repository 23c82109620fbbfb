"""A batch of a guest is signed by the gateway as notary, and both verifiers state it."""

import base64

from edge_agent.wire import ReceivedMessage
from gateway.transparency.leaf import describe_batch
from gateway.verification.evidence_file import EvidenceFile, LoggedLeaf, SignedBatch
from tests.gateway.verification.both import check, states
from tests.gateway.verification.world import INCARNATION, World, make_signer

GUEST = "guest-duin"


def guest_evidence(world, signer):
    """A log with the key of a guest and one batch of it, and the evidence file of that batch."""
    key = world.make_key_leaf(node=GUEST, station=GUEST, signer=make_signer(GUEST, 9))
    received = ReceivedMessage(format="airrohr", at=1_796_176_770_000, sha256="0" * 64, body="e30=")
    payload = world.make_batch(17, node=GUEST, signer=signer, received=received)
    world.log.add(key.encode())
    batch = describe_batch(GUEST, INCARNATION, 17, payload)
    world.log.add(batch.encode())
    note = world.note()
    size = int(note.split(b"\n")[1])

    def prove(leaf):
        return world.log.prove(world.find(leaf.encode()), note, size)

    return EvidenceFile(
        claim=None,
        batch=SignedBatch(
            node=GUEST,
            incarnation=INCARNATION,
            number=17,
            signed=base64.b64encode(payload).decode(),
            proof=prove(batch),
        ),
        node_key=LoggedLeaf(leaf=key.encode().decode(), proof=prove(key)),
        events=[],
        deliveries=[],
        rules=[],
        policy=world.policy(),
        minute_batches=[],
    )


def test_the_signature_is_named_as_that_of_the_notary():
    world = World()
    verdict = check(guest_evidence(world, make_signer(GUEST, 9)).encode(), policy=world.policy())
    assert set(states(verdict).values()) == {"ok"}
    (signature,) = [step for step in verdict.steps if step.name == "signature"]
    assert signature.text == "signature.notary"
    assert "as notary for the guest node guest-duin" in signature.describe("en")
    assert "als notaris ondertekend" in signature.describe("nl")
    assert "The node" not in signature.describe("en")


def test_another_key_is_no_notary():
    world = World()
    verdict = check(guest_evidence(world, make_signer(GUEST, 8)).encode(), policy=world.policy())
    assert states(verdict)["signature"] == "false"
