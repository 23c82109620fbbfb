"""Why something of the log cannot be believed: one sentence that names the thing."""


class ProofError(ValueError):
    """A proof, tile, checkpoint, policy or leaf that cannot be read or does not fit; the message is one sentence."""
