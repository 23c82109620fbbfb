"""`piekwacht ca`: the area's authority, and certificates for what is not a node."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.configuration import ConfigurationError
from gateway.enrolment.authority import Authority, private_pem
from gateway.errors import GatewayError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `piekwacht ca`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    init = actions.add_parser("init", help="make the area's certificate authority, in a folder of its own")
    init.add_argument("name", help="such as ijmond")
    add_folder(init)
    init.set_defaults(run=_init)
    for use, of in (("server", "a broker or a proxy"), ("client", "a gateway or an API process")):
        one = actions.add_parser(use, help=f"key and certificate for {of}")
        one.add_argument("name", help="common name: the client id, or the server's name")
        one.add_argument(
            "--host", action="append", default=[], help="DNS name or address it is reached by; may be repeated"
        )
        one.add_argument("--out", type=Path, default=Path(), metavar="DIR")
        add_folder(one)
        one.set_defaults(run=_issue, use=use)


def add_folder(parser: argparse.ArgumentParser) -> None:
    """The argument that names the authority."""
    parser.add_argument("--ca", type=Path, default=Path("ca"), metavar="DIR", help="folder of the authority")


def _init(given: argparse.Namespace) -> None:
    Authority.create(given.ca, given.name, datetime.now(UTC))
    print(f"{given.ca}/ca.pem is made. Keep {given.ca}/ca.key where no server reaches it, and a copy elsewhere.")


def _issue(given: argparse.Namespace) -> None:
    if given.use == "server" and not given.host:
        raise ConfigurationError(f"say by which --host {given.name} is reached; clients check it")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = Authority.open(given.ca).issue(
        given.name, key.public_key(), datetime.now(UTC), use=given.use, hosts=given.host
    )
    write_new(given.out / f"{given.name}.key", private_pem(key))
    write_new(given.out / f"{given.name}.pem", certificate, mode=0o644)
    print(f"{given.out / given.name}.pem and .key are made")


def write_new(path: Path, contents: bytes, *, mode: int = 0o600) -> None:
    """Write a file that was not there; a key is never overwritten."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(contents)
    except FileExistsError:
        raise GatewayError(f"{path} is there already; move it away, or name another with --out") from None
    except OSError as error:
        raise GatewayError(f"{path} cannot be written ({error.strerror})") from None
