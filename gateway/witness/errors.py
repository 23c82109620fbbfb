"""Errors of the witness: one sentence for its operator, exit code 1."""


class WitnessError(Exception):
    """The witness cannot start or its files cannot be used; the message names the cause and the remedy."""
