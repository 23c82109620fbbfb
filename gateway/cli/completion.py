"""`piekwacht completion SHELL`: print what lets a shell complete the commands, from the same parsers."""

import argparse

from gateway.errors import GatewayError

_SHELLS = ("bash", "zsh", "tcsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the shell."""
    parser.add_argument(
        "shell", choices=_SHELLS, help="such as: piekwacht completion bash > /etc/bash_completion.d/piekwacht"
    )


def run(args: argparse.Namespace) -> None:
    """Print the script. Raises GatewayError without the package shtab."""
    try:
        import shtab  # noqa: PLC0415 - it is in an extra
    except ImportError:
        raise GatewayError("completion needs the package shtab: pip install 'piekwacht[completion]'") from None
    print(shtab.complete(args.build_parser(), shell=args.shell))
