"""`piekwacht site apply`: put the areas, sites, stations and nodes of a site file into the registry."""

import argparse
from pathlib import Path

from gateway import settings
from gateway.enrolment import site_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the action `apply`."""
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    apply = actions.add_parser("apply", help="create or change the entries of the file")
    apply.add_argument("file", type=Path, metavar="SITE.toml")
    settings.add_config_argument(apply)


def run(args: argparse.Namespace) -> None:
    """Apply the file, all of it or nothing."""
    contents = site_file.read_site_file(args.file)
    site_file.apply_site_file(contents, settings.read(args.config).database.dsn, folder=args.file.parent)
    print(f"{contents.area.id}: {len(contents.station)} stations and {len(contents.node)} nodes are in the registry")
