"""Settings of the public log, `[public_log]` of piekwacht.toml. Without the table there is no log."""

from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from edge_agent.wire import Signer
from gateway.errors import StartError


class PublicLogSettings(Struct, frozen=True, kw_only=True):
    """`[public_log]`: the public log of each area that this installation measures.

    folder                  files of the logs, one folder per area; the gateway writes them, the API serves them
    host                    host name of the logs; the origin of a log is `<host>/log/<area>` and never changes
    key_folder              folder with the private key of each log, `<area>.key`, made with `piekwacht key`
    state_folder            folder with the last signed head of each log, best on another disk than the database;
                            default: `state` in `folder`
    interval_seconds        time between two heads of a log
    policy                  tlog-policy with the witnesses and their addresses; without it no witness signs
    time_stamp_url          RFC 3161 time stamp authority that stamps a head every hour
    time_stamp_certificate  certificate of this authority, PEM
    """

    folder: Path
    host: Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9.:-]{0,200}$")]
    key_folder: Path
    state_folder: Path | None = None
    interval_seconds: Annotated[float, Meta(gt=0, le=3_600)] = 10.0
    policy: Path | None = None
    time_stamp_url: str | None = None
    time_stamp_certificate: Path | None = None

    def origin_of(self, area: str) -> str:
        """Origin of the log of an area: the name of its key and the first line of its checkpoints."""
        return f"{self.host}/log/{area}"

    def key_file_of(self, area: str) -> Path:
        """File with the private key of the log of an area."""
        return self.key_folder / f"{area}.key"

    def load_signer(self, area: str) -> Signer:
        """Private key of the log of an area. StartError if it is missing or of another log, NoteError if it is none."""
        file, origin = self.key_file_of(area), self.origin_of(area)
        try:
            signer = Signer.parse(file.read_text())
        except OSError as error:
            raise StartError(
                f"the key of the log of {area} cannot be read ({error.strerror}): run `piekwacht key {origin} {file}`"
            ) from None
        if signer.name != origin:
            raise StartError(f"{file} is the key of {signer.name}, not of {origin}: check [public_log] host")
        return signer

    def state_file_of(self, area: str) -> Path:
        """File with the last signed head of the log of an area."""
        return (self.state_folder or self.folder / "state") / f"{area}.head"
