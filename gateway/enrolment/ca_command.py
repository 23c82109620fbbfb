"""`piekwacht ca`: create the area's authority, and certificates for servers and gateway processes."""

import argparse
import os
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from edge_agent.configuration import ConfigurationError
from gateway.enrolment.authority import CertificateAuthority, private_pem
from gateway.errors import GatewayError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions `init`, `server` and `client`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    init = actions.add_parser("init", help="create the area's certificate authority, in a separate folder")
    init.add_argument("name", help="such as ijmond")
    add_ca_argument(init)
    init.set_defaults(action=_create_authority)
    for use, holder in (("server", "a broker or a proxy"), ("client", "a gateway or an API process")):
        subparser = actions.add_parser(use, help=f"key and certificate for {holder}")
        subparser.add_argument("name", help="common name: the client id, or the server's name")
        subparser.add_argument(
            "--host", action="append", default=[], help="DNS name or address that clients use; may be repeated"
        )
        subparser.add_argument("--out", type=Path, default=Path(), metavar="DIR", help="folder for both (this one)")
        add_ca_argument(subparser)
        subparser.set_defaults(action=_issue_certificate, use=use)


def add_ca_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument --ca."""
    parser.add_argument("--ca", type=Path, default=Path("ca"), metavar="DIR", help="folder of the authority")


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _create_authority(args: argparse.Namespace) -> None:
    CertificateAuthority.create(args.ca, args.name, datetime.now(UTC))
    print(f"{args.ca}/ca.pem is created. Store {args.ca}/ca.key where no server reaches it, and a copy elsewhere.")


def _issue_certificate(args: argparse.Namespace) -> None:
    if args.use == "server" and not args.host:
        raise ConfigurationError(f"give each --host by which clients reach {args.name}; they check it")
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = CertificateAuthority.load(args.ca).issue(
        args.name, key.public_key(), datetime.now(UTC), use=args.use, hosts=args.host
    )
    write_new_file(args.out / f"{args.name}.key", private_pem(key))
    write_new_file(args.out / f"{args.name}.pem", certificate, mode=0o644)
    print(f"{args.out / args.name}.pem and .key are created")


def write_new_file(path: Path, contents: bytes, *, mode: int = 0o600) -> None:
    """Write a new file; never overwrite one, as it may be a key."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(contents)
    except FileExistsError:
        raise GatewayError(f"{path} exists already; move it away, or choose another with --out") from None
    except OSError as error:
        raise GatewayError(f"{path} cannot be written ({error.strerror})") from None
