"""`[operator]` of piekwacht.toml."""

from pathlib import Path

from msgspec import Struct


class OperatorSettings(Struct, frozen=True, kw_only=True):
    """`[operator]`: tools of the pages for operators.

    ca_folder         folder of the certificate authority, with its private key. With it the pages enrol nodes; without
                      it only `piekwacht node enrol` does, on a machine that visitors cannot reach
    firmware_configs  folder of the firmware configurations; enrolment by the pages needs it too
    agent_package     the agent's package (.deb), added to each archive
    agent_version     version of the agent that nodes should have; empty: versions are not compared
    """

    ca_folder: Path | None = None
    firmware_configs: Path | None = None
    agent_package: Path | None = None
    agent_version: str = ""
