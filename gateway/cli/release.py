"""`piekwacht release`: sign or verify a folder with SHA256SUMS of its files and a signed note of that text.

`SHA256SUMS.sig` is the same signature as 64 raw bytes, to verify with openssl before Piekwacht is installed
(docs/operator/release.md).
"""

import argparse
import hashlib
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge_agent.wire import NoteError, Signer, Verifier, split_note
from gateway.errors import GatewayError

_SUMS, _NOTE, _RAW, _PEM = "SHA256SUMS", "SHA256SUMS.note", "SHA256SUMS.sig", "release.pem"


class ReleaseError(GatewayError):
    """A file differs from the signed one, or the signature is not by the expected key."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the actions `sign` and `verify`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    subparser = actions.add_parser("sign", help="write SHA256SUMS of a folder and sign it")
    subparser.add_argument("folder", type=Path, help="folder with the files of the release")
    subparser.add_argument("--key", type=Path, required=True, help="private key, created by `piekwacht key`")
    subparser.set_defaults(action=_sign_release)
    subparser = actions.add_parser("verify", help="exit code 0 if every file equals the signed one, else 1")
    subparser.add_argument("folder", type=Path, help="folder with the files of the release")
    subparser.add_argument("--key", type=Path, required=True, help="file with the public key")
    subparser.set_defaults(action=_verify_release)


def run(args: argparse.Namespace) -> None:
    """Run the chosen action."""
    args.action(args)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ReleaseError(f"{path} cannot be read: {error.strerror}") from None


def _hash_file(path: Path) -> str:
    return hashlib.sha256(_read(path)).hexdigest()


def _sign_release(args: argparse.Namespace) -> None:
    own_names = {_SUMS, _NOTE, _RAW, _PEM}
    files = sorted(path for path in args.folder.glob("*") if path.is_file() and path.name not in own_names)
    if not files:
        raise ReleaseError(f"there is nothing to sign in {args.folder}")
    text = "".join(f"{_hash_file(path)}  {path.name}\n" for path in files).encode()
    try:
        signer = Signer.parse(_read(args.key).decode())
    except (NoteError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{args.key}: {error}") from None
    note = signer.sign(text)
    public_key = Ed25519PublicKey.from_public_bytes(signer.verifier.public)
    pem = public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (args.folder / _SUMS).write_bytes(text)
    (args.folder / _NOTE).write_bytes(note)
    (args.folder / _RAW).write_bytes(split_note(note)[1][0].signature)
    (args.folder / _PEM).write_bytes(pem)
    print(f"{len(files)} files signed by {signer.verifier}")


def _verify_release(args: argparse.Namespace) -> None:
    try:
        verifier = Verifier.parse(_read(args.key).decode())
        lines = verifier.open(_read(args.folder / _NOTE)).decode().splitlines()
    except (NoteError, UnicodeDecodeError) as error:
        raise ReleaseError(f"{args.folder / _NOTE}: {error}; do not install this") from None
    for line in lines:
        sha256, _, name = line.partition("  ")
        if Path(name).name != name or _hash_file(args.folder / name) != sha256:
            raise ReleaseError(f"{args.folder / name} is not what {verifier.name} signed; do not install it")
    print(f"{len(lines)} files are what {verifier.name} signed")
