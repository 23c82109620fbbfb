"""The demo's registry and settings, made fresh in the demo's folder."""

import base64
import secrets
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from gateway.demo.nodes import DemoNode
from gateway.demo.stations import SITE_PATH
from gateway.enrolment import site_file
from gateway.mqtt.settings import BrokerSettings
from gateway.transparency.settings import PublicLogSettings

AREA = "ijmond"  # as of site.toml


def enrol_nodes(dsn: str, nodes: Sequence[DemoNode], since: datetime | None = None) -> None:
    """Area, site, the nodes' stations and the nodes themselves, into the registry. `since`: of their first reading."""
    site = site_file.read_site_file(SITE_PATH)
    site_file.apply_site_file(
        site_file.SiteFile(
            area=site.area,
            site=site.site,
            station=[node.station for node in nodes if isinstance(node.station, site_file.StationTable)],
            mobile=[node.station for node in nodes if isinstance(node.station, site_file.MobileTable)],
            node=[
                site_file.NodeTable(id=n.id, station=n.station.id, key=str(n.key.verifier), since=since) for n in nodes
            ],
        ),
        dsn,
        folder=SITE_PATH.parent,
    )


def write_settings(
    path: Path,
    *,
    dsn: str,
    broker: BrokerSettings,
    key_file: Path,
    api_port: int,
    smtp_port: int,
    webhook: str,
    replay: bool,
    public_log: PublicLogSettings | None = None,
    vapid_key: Path | None = None,
) -> Path:
    """`piekwacht.toml` of the demo: what an operator would write, with everything on loopback."""
    secret = path.with_name("webhook.secret")
    if not secret.exists():
        secret.touch(mode=0o600)
        secret.write_text("whsec_" + base64.b64encode(secrets.token_bytes(24)).decode())
    path.write_text(
        f"""# Written by `piekwacht demo`.
[database]
dsn = "{dsn}"

[broker]
host = "{broker.host}"
port = {broker.port}

[ingest]
key_file = "{key_file}"

[api]
host = "127.0.0.1"
port = {api_port}
public_url = "http://127.0.0.1:{api_port}"
replay = {str(replay).lower()}

{_describe_public_log(public_log)}
[alerting]
public_url = "http://127.0.0.1:{api_port}"
allow_private = true  # the demo's webhook is on this machine
burst = 500  # shows every message, however many
calm_minutes = 0.5  # so that who watches for some minutes sees the end as well
ease_minutes = 1
digest_at = "23:59"  # the overview of peaks that were detected late: it has those from before the demo

[alerting.smtp]
host = "127.0.0.1"
port = {smtp_port}
tls = "none"
sender = "Piekwacht <piekwacht@example.org>"

[[alerting.receiver]]
name = "omgevingsdienst"
email = [{{ to = ["piket@omgevingsdienst.example"] }}]
webhook = [{{ url = "{webhook}", secret_file = "{secret}" }}]

[[alerting.route]]
receiver = "omgevingsdienst"
match = ['area="ijmond"', 'property=~"pm2_5|ch4"']

{_describe_subscriptions(vapid_key)}"""
    )
    return path


def _describe_subscriptions(vapid_key: Path | None) -> str:
    """`[subscriptions]`: the form works, and its mails go to the demo's own mailbox."""
    if vapid_key is None:
        return ""
    return f"""[subscriptions]
calm_minutes = 0.5
complaint_url = "https://example.org/klacht"
complaint_name = "de omgevingsdienst"

[subscriptions.push]
key_file = "{vapid_key}"
contact = "mailto:piekwacht@example.org"
"""


def _describe_public_log(settings: PublicLogSettings | None) -> str:
    if settings is None:
        return ""
    return f"""[public_log]
folder = "{settings.folder}"
host = "{settings.host}"
key_folder = "{settings.key_folder}"
policy = "{settings.policy}"
interval_seconds = {settings.interval_seconds:g}
"""
