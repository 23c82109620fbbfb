"""`[guests]` of piekwacht.toml: how messages of guest nodes are received."""

from typing import Annotated

from msgspec import Meta, Struct


class GuestSettings(Struct, frozen=True, kw_only=True):
    """`[guests]`: sensors of others that post to the API, publish to the broker or are polled.

    messages_per_minute  messages per minute of one guest; a burst of as many is accepted
    receive_mqtt         whether the gateway subscribes to the topics of guests
    poll_seconds         time between two polls of a sensor that is polled
    """

    messages_per_minute: Annotated[int, Meta(ge=1, le=60_000)] = 120
    receive_mqtt: bool = True
    poll_seconds: Annotated[float, Meta(ge=10, le=3_600)] = 120.0
