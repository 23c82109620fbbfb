"""Reasons to reject a payload."""

from enum import StrEnum


class RejectionReason(StrEnum):
    """Why a payload, or a part of it, is in quarantine; also a metric label."""

    FOREIGN_TOPIC = "foreign_topic"  # malformed, or of another node or area
    TOO_LONG = "too_long"
    UNKNOWN_NODE = "unknown_node"
    REVOKED_NODE = "revoked_node"
    UNSIGNED = "unsigned"
    FORGED = "forged"
    MALFORMED = "malformed"
    IMPOSSIBLE_TIME = "impossible_time"
    UNKNOWN_PROPERTY = "unknown_property"  # the known properties of the batch are stored
    TAMPERED = "tampered"  # a stored key was received again with other bytes
    UNSTORABLE = "unstorable"  # the database refused it
