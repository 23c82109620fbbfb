"""Why a payload is not taken in."""

from enum import StrEnum


class RejectionReason(StrEnum):
    """Why a payload, or a part of it, is in quarantine; also the metric's label."""

    FOREIGN_TOPIC = "foreign_topic"  # not one of ours, or another node's or area's
    TOO_LONG = "too_long"
    UNKNOWN_NODE = "unknown_node"
    REVOKED_NODE = "revoked_node"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    MALFORMED = "malformed"
    IMPOSSIBLE_TIME = "impossible_time"
    UNKNOWN_PROPERTY = "unknown_property"  # the known properties of the batch are stored all the same
    TAMPERED = "tampered"  # a stored key came again with other bytes
    UNSTORABLE = "unstorable"  # the database refused it
