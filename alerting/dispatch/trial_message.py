"""A test message through the channels of one receiver, with the outcome per channel and addressee.

It goes out at once and once: it is no event, it is not stored, nobody can acknowledge it, and no rule withholds it.
"""

import asyncio
import secrets
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime

from msgspec import structs

from alerting.alert import TEST_KIND, Alert, Place, Severity
from alerting.decide.no_data import NetworkFault, build_network_alert
from alerting.delivery.channel import Delivery, DeliveryContext, DeliveryOutcome
from alerting.dispatch.deliver import deliver
from alerting.errors import AlertingError
from alerting.message.notification import Notification
from alerting.settings import AlertingSettings, ChannelSettings, ReceiverSettings
from alerting.vocabulary import LANGUAGES, texts_of

_SECONDS = 60.0  # longest attempt of one channel


async def send_test(
    settings: AlertingSettings, receiver_name: str, channel_name: str | None = None
) -> AsyncIterator[tuple[str, Delivery]]:
    """Send through every channel of the receiver, or the named one; yield each outcome as it is known.

    Raises AlertingError for a receiver or channel that the settings do not have.
    """
    receiver = _find_receiver(settings, receiver_name)
    channels = _choose_channels(receiver, channel_name)
    at = datetime.now(UTC)
    alert = build_test_alert(receiver_name, at)
    notification = Notification(alert=alert, id=alert.event_id, language=receiver.language)
    context = DeliveryContext(
        public_url=settings.public_url, source=settings.source, allow_private=settings.allow_private, received_at=at
    )
    for name, channel in channels.items():
        yield name, await _try_channel(notification, channel, settings, context, at)


async def _try_channel(
    notification: Notification,
    channel: ChannelSettings,
    settings: AlertingSettings,
    context: DeliveryContext,
    at: datetime,
) -> Delivery:
    try:
        async with asyncio.timeout(_SECONDS):
            return await deliver(notification, channel, settings, context, at=at)
    except TimeoutError:
        return Delivery(outcome=DeliveryOutcome.UNKNOWN, detail=f"no answer within {_SECONDS:.0f} s")
    except Exception as error:  # noqa: BLE001 - a secret that cannot be read must not hide the other channels
        return Delivery(outcome=DeliveryOutcome.FAILED, detail=f"{type(error).__name__}: {error}")


def _find_receiver(settings: AlertingSettings, name: str) -> ReceiverSettings:
    receiver = settings.find_receiver(name)
    if receiver is None:
        names = ", ".join(receiver.name for receiver in settings.receiver) or "none"
        raise AlertingError(f"there is no receiver {name!r}; the settings have: {names}")
    return receiver


def _choose_channels(receiver: ReceiverSettings, name: str | None) -> Mapping[str, ChannelSettings]:
    channels = {
        key: channel for key, channel in receiver.channels.items() if name in {None, key, key.partition(":")[0]}
    }
    if not channels:
        raise AlertingError(f"{receiver.name} has no channel {name!r}; it has: {', '.join(receiver.channels)}")
    return channels


def build_test_alert(receiver_name: str, at: datetime) -> Alert:
    """Return the alert of a test message: about the network, so that no text takes it for a measurement."""
    sentence: dict[str, str] = {
        language: texts_of("network", language)["test"].format(receiver=receiver_name) for language in LANGUAGES
    }
    place = Place(name="Piekwacht", latitude=0.0, longitude=0.0)
    fault = NetworkFault(kind=TEST_KIND, area="", place=place, severity=Severity.MINOR, since=at, sentence=sentence)
    alert = build_network_alert(fault, at)
    return structs.replace(alert, event_id=f"{TEST_KIND}-{secrets.token_hex(8)}", detector="test@1")
