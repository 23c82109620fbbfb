"""The demo's witnesses sign the heads of its log, and continue after a restart of the demo."""

from contextlib import ExitStack

from gateway.demo.witnesses import start_witnesses
from gateway.transparency.policy import Policy
from gateway.transparency.witness_client import WitnessClient
from tests.gateway.witness.witness_world import MemoryLog


async def test_two_witnesses_sign_and_continue_after_a_restart(tmp_path):
    log = MemoryLog().grow(3)
    keys = set()
    for _ in range(2):
        with ExitStack() as stack:
            policy = Policy.parse(start_witnesses(stack, tmp_path, [log.signer.verifier]))
            client = WitnessClient(policy, timeout=20)
            _, cosignatures = policy.open(await client.cosign(log.grow(2).note(), log.read_hash))
            await client.aclose()
            names = {signed.witness for signed in cosignatures}
            assert names == {"omgevingsdienst.example/witness", "dorpsraad.example/witness"}
            keys.add(tuple(str(witness.key) for witness in policy.witnesses.values()))
    assert len(keys) == 1
