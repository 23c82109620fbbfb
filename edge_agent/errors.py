"""What can stop an agent. `configuration.ConfigurationError` (exit 2) stands beside it."""


class AgentError(RuntimeError):
    """The agent cannot work here: one sentence with the thing and the remedy. Exit code 1."""
