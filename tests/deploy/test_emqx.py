"""deploy/emqx as far as a machine without EMQX can judge it: it allows what Mosquitto allows, and nothing else."""

import re

from tests.deploy.conftest import DEPLOY

ACL = (DEPLOY / "emqx/acl.conf").read_text()
RULE = re.compile(
    r"^\{(allow|deny), (all|\{username, \{re, \"(.+?)\"\}\})(?:, (\w+),\s*\[(.*?)\])?\}\.$", re.MULTILINE | re.DOTALL
)


def allowed() -> dict[str, set[tuple[str, str]]]:
    """Return {client: (action, topic) pairs} of the file for EMQX."""
    permissions: dict[str, set[tuple[str, str]]] = {}
    for verdict, client, pattern, action, topics in RULE.findall(ACL):
        if verdict == "allow":
            verb = {"publish": "write", "subscribe": "read"}[action]
            name = "a node" if client == "all" else re.match(r"\^(piekwacht\\\\\.\w+)", pattern)[1].replace("\\\\", "")
            permissions.setdefault(name, set()).update((verb, topic) for topic in re.findall(r'"(.+?)"', topics))
    return permissions


def test_emqx_gives_each_client_the_permissions_of_mosquitto():
    mosquitto: dict[str, set[tuple[str, str]]] = {}
    client = "a node"
    for line in (DEPLOY / "mosquitto/acl").read_text().splitlines():
        if line.startswith("user "):
            client = line.split()[1]
        elif match := re.match(r"(?:topic|pattern) (read|write) (\S+)", line):
            mosquitto.setdefault(client, set()).add((match[1], match[2].replace("%u", "${username}")))
    assert allowed() == {name: rights for name, rights in mosquitto.items() if not name.startswith("piekwacht.api-")}


def test_every_rule_is_read_and_the_last_one_refuses_the_rest():
    assert len(RULE.findall(ACL)) == len(re.findall(r"^\{", ACL, re.MULTILINE))
    assert RULE.findall(ACL)[-1][:2] == ("deny", "all")
    text = (DEPLOY / "emqx/emqx.conf").read_text()
    assert re.search(r"no_match = deny", text)
    for plain in ("tcp", "ws", "wss"):
        assert f"{plain}.default.enable = false" in text
