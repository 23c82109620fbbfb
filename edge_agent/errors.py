"""Errors of the agent, as one tree; `configuration.ConfigurationError` (exit 2) is separate.

AgentError       the agent cannot work here: exit 1
  SensorError    one sensor cannot be read now: flagged, tried again
"""

from enum import StrEnum


class AgentError(RuntimeError):
    """The agent cannot work here: one sentence with the thing and the remedy. Exit code 1."""


class Fault(StrEnum):
    """Reason why a sensor gave no reading; also a key of the log."""

    NO_ANSWER = "no_answer"  # unplugged, wrong address, no power
    BAD_CHECKSUM = "bad_checksum"  # a noisy or too long cable
    BAD_FRAME = "bad_frame"  # answers, but not in the form the maker describes
    NOT_MEASURING = "not_measuring"  # must be started again, as after a brown-out
    WRONG_SENSOR = "wrong_device"  # another sensor has this address; the value is in stored logs
    BUS_MISSING = "bus_missing"
    FORBIDDEN = "forbidden"
    BROKEN = "broken"  # reported by the sensor: fan, laser, lamp


class SensorError(AgentError):
    """A sensor that cannot be read now: the reason, and a sentence with the remedy."""

    def __init__(self, reason: Fault, sentence: str) -> None:
        super().__init__(sentence)
        self.reason = reason
