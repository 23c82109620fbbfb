"""Sequencer, real witnesses and audit together: each published head is signed by both and passes a monitor's visit."""

import asyncio
from contextlib import ExitStack

from gateway.demo.witnesses import start_witnesses
from gateway.transparency.head_services import open_head_services
from gateway.transparency.policy import Policy
from gateway.verification.audit import audit
from tests.gateway.transparency.logs import add_batches, open_log


def test_every_published_head_is_cosigned_and_passes_the_audit(database, node, tmp_path):
    log = open_log(database, tmp_path / "log")
    policy = tmp_path / "policy"
    with ExitStack() as stack:
        policy.write_text(start_witnesses(stack, tmp_path / "witnesses", [log.signer.verifier]))

        async def step():
            services = open_head_services(
                policy=policy, time_stamp_url=None, time_stamp_certificate=None, folder=log.files.path
            )
            sequencer = log.sequencer(cosign=services.cosign)
            try:
                return await sequencer.run_step()
            finally:
                sequencer.close()
                await services.aclose()

        for numbers in (range(1, 3), range(3, 300), range(300, 301), range(302, 700)):
            add_batches(log.dsn, numbers)
            asyncio.run(step())
            _, cosignatures = Policy.parse(policy.read_text()).open(log.files.read_checkpoint())
            assert len(cosignatures) == 2
            report = audit(str(log.files.path), tmp_path / "audit", policy)
            assert report.checkpoint == log.checkpoint()
        assert report.faults == []
        assert len(report.gaps) == 1
    assert report.leaves["piekwacht/batch@v1"] == 698
