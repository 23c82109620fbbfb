"""The service that notifies subscribers: one worker that decides, and one per provider that sends.

`piekwacht subscriptions run` runs it, and `piekwacht up` if the settings have `[subscriptions]`. It is a separate
process with its own queue and rates, so that ten thousand subscribers delay no inspector.
"""

import asyncio
from contextlib import AsyncExitStack

from alerting.delivery.connection_pool import ConnectionPool
from alerting.dispatch.worker import run_worker
from alerting.settings import AlertingSettings
from alerting.subscriptions.decision_worker import NoticeDecisionWorker
from alerting.subscriptions.delivery_worker import DeliveryWorker, ProviderLimits
from alerting.subscriptions.notice_loader import NoticeLoader
from alerting.subscriptions.notice_sender import MailSender, PushSender
from alerting.subscriptions.ntfy import NtfySender
from alerting.subscriptions.providers import MAIL, NTFY, Providers
from alerting.subscriptions.push_message import VapidSigner
from alerting.subscriptions.settings import SubscriptionSettings, WebPushSettings

CHANNEL = "piekwacht_subscriptions"


async def run(settings: SubscriptionSettings, alerting: AlertingSettings, dsn: str) -> None:
    """Run until cancelled. Raises PushKeyError if the VAPID key cannot be used."""
    loader = NoticeLoader(settings, alerting.public_url)
    async with AsyncExitStack() as stack:
        mail_sender = MailSender(alerting.smtp, settings.sender, alerting.public_url)
        limits = ProviderLimits(per_second=settings.mails_per_second, parallel=settings.parallel_mails)
        workers = {MAIL: DeliveryWorker(MAIL, mail_sender, limits, loader)}
        if settings.push is not None:
            workers |= await _open_push_workers(settings.push, loader, stack, allow_private=alerting.allow_private)
        if settings.ntfy is not None:
            pool = ConnectionPool(size=1, timeout=settings.ntfy.timeout, allow_private=alerting.allow_private)
            sender = NtfySender(settings.ntfy, await stack.enter_async_context(pool))
            limits = ProviderLimits(per_second=settings.ntfy.per_second, parallel=1)
            workers[NTFY] = DeliveryWorker(NTFY, sender, limits, loader)
        for worker in workers.values():
            stack.push_async_callback(worker.close)
        async with asyncio.TaskGroup() as group:
            decision_worker = NoticeDecisionWorker(settings)
            group.create_task(
                run_worker(dsn, decision_worker.step, channel=CHANNEL, name="piekwacht subscriptions"), name="decide"
            )
            for provider, worker in workers.items():
                name = f"piekwacht subscriptions {provider}"
                group.create_task(run_worker(dsn, worker.step, channel=CHANNEL, name=name), name=provider)


async def _open_push_workers(
    push: WebPushSettings, loader: NoticeLoader, stack: AsyncExitStack, *, allow_private: bool
) -> dict[str, DeliveryWorker]:
    signer = VapidSigner(push.key_file, push.contact)
    limits = ProviderLimits(per_second=push.per_second, parallel=push.parallel)
    workers = {}
    for service in Providers(push).push_services:
        pool = ConnectionPool(size=push.parallel, timeout=push.timeout, allow_private=allow_private)
        sender = PushSender(push, signer, await stack.enter_async_context(pool))
        workers[service] = DeliveryWorker(service, sender, limits, loader)
    return workers
