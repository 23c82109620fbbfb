"""`piekwacht key`: create a signing key, once: of the gateway, or of the public log of an area."""

import argparse
from pathlib import Path

from edge_agent.configuration import ConfigurationError
from edge_agent.wire import NoteError, Signer
from gateway.errors import GatewayError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the name and the file of the key."""
    parser.add_argument("name", help="name in signatures: gateway.ijmond, or of a log <host>/log/<area>")
    parser.add_argument(
        "file", type=Path, help="new file for the private key (mode 0600); an existing file is an error"
    )


def run(args: argparse.Namespace) -> None:
    """Write the private key to the file and print the public one."""
    print(create_key(args.name, args.file).verifier)


def create_key(name: str, path: Path) -> Signer:
    """Make a key and write it to a new file with mode 0600.

    Raises ConfigurationError for a name that no key can have, GatewayError if the file exists or cannot be made.
    """
    try:
        signer = Signer.generate(name)
        path.touch(mode=0o600, exist_ok=False)
    except NoteError as error:
        raise ConfigurationError(str(error)) from None
    except OSError as error:
        raise GatewayError(f"{path}: {error.strerror}; give the path of a new file") from None
    path.write_text(signer.export() + "\n")
    return signer
