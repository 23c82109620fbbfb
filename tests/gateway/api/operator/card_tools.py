"""The means to make cards: an authority, and the firmware configurations without placeholders."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

from edge_agent.wire import Signer
from gateway.enrolment.authority import CertificateAuthority
from gateway.enrolment.card import CardSources
from gateway.enrolment.card_maker import FolderCardMaker
from gateway.enrolment.node_issuer import FolderIssuer, check_configuration
from gateway.operator.tools import OperatorTools

REPO = Path(__file__).resolve().parents[4]


def make_card_tools(folder):
    """Tools with an authority in `ca` of the folder."""
    configs, ca = folder / "firmware_configs", folder / "ca"
    shutil.copytree(REPO / "firmware_configs", configs)
    for site in configs.glob("sites/*/site.toml"):
        site.write_text(site.read_text().replace(".example", ".od.nl"))
    CertificateAuthority.create(ca, "ijmond", datetime.now(UTC))
    sources = CardSources(ca=ca, firmware_configs=configs, gateway_key=Signer.generate("gateway").verifier)
    return OperatorTools(
        cards=FolderCardMaker(sources), certificates=FolderIssuer(ca), check_configuration=check_configuration
    )
