"""Rules, objectives and dashboards are valid for Prometheus' own tool, and use only existing metrics and labels."""

import importlib
import json
import re

import pytest
import yaml
from prometheus_client import REGISTRY

from tests.deploy.conftest import DEPLOY, ROOT

RULES = sorted((DEPLOY / "prometheus/rules").glob("*.yml"))
BOARDS = sorted((DEPLOY / "grafana/dashboards").glob("*.json"))
GROUPS = [group for path in RULES for group in yaml.safe_load(path.read_text())["groups"]]
ALL = [rule for group in GROUPS for rule in group["rules"]]
ALARMS = [rule for rule in ALL if "alert" in rule]
RECORDED = {rule["record"] for rule in ALL if "record" in rule}
OF_THE_SCRAPE = {"job", "instance", "le", "slo"}

_NAME = re.compile(r"\bpiekwacht[a-z0-9_:]+")
_SELECTED = re.compile(r"(piekwacht_[a-z0-9_]+)\{([^}]*)\}")


def ours():
    """Return {metric family: labels} of the telemetry modules."""
    for path in [*ROOT.glob("gateway/**/telemetry.py"), *ROOT.glob("alerting/**/telemetry.py")]:
        importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))
    families = {}
    for family in REGISTRY._collector_to_names:
        name = getattr(family, "_name", None)
        if name and name.startswith("piekwacht_"):
            suffix = {"counter": "_total"}.get(family._type, "")
            families[name + suffix] = set(family._labelnames)
    return families


OURS = ours()


def family(name):
    plain = re.sub(r"_(bucket|count|sum)$", "", name)
    return plain if plain in OURS else name


def queries():
    for rule in ALL:
        yield rule.get("alert") or rule["record"], rule["expr"]
    for path in BOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield f"{path.stem}: {panel['title']}", target["expr"]


def test_prometheus_reads_the_rules(judge):
    judge("promtool", "check", "rules", *RULES)


def test_the_rules_of_prometheus_pass_their_unit_tests(judge):
    judge("promtool", "test", "rules", ROOT / "tests/deploy/rules.yml")


@pytest.mark.parametrize(("where", "expression"), list(queries()))
def test_expressions_use_only_existing_metrics_and_labels(where, expression):
    for name in _NAME.findall(expression):
        assert name in RECORDED or family(name) in OURS, f"{where}: nothing counts {name}"
    for name, selected in _SELECTED.findall(expression):
        labels = set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selected))
        assert labels <= OURS[family(name)] | OF_THE_SCRAPE, f"{where}: {name} has no such label"


def test_prometheus_reads_every_query_of_the_dashboards(judge, tmp_path):
    rules = []
    for path in BOARDS:
        for number, panel in enumerate(json.loads(path.read_text())["panels"]):
            for target in panel["targets"]:
                expression = target["expr"].replace("$__rate_interval", "5m").replace("$area", ".*")
                rules.append({"record": f"{path.stem}:{number}:{target['refId'].lower()}", "expr": expression})
    (tmp_path / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "boards", "rules": rules}]}))
    judge("promtool", "check", "rules", tmp_path / "rules.yml")


def test_every_dashboard_finds_its_data_source_and_no_panel_covers_another():
    source = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yaml").read_text())
    uid = source["datasources"][0]["uid"]
    boards = [json.loads(path.read_text()) for path in BOARDS]
    assert [board["uid"] for board in boards] == [f"piekwacht-{path.stem}" for path in BOARDS]
    assert {path.stem for path in BOARDS} == {"fleet", "pipeline", "detection", "alerting"}
    for board in boards:
        covered = set()
        for panel in board["panels"]:
            assert panel["datasource"]["uid"] == uid
            place = panel["gridPos"]
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & covered
            assert place["x"] + place["w"] <= 24
            covered |= cells


@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.stem)
def test_a_panel_has_a_description_and_a_dashboard_with_areas_has_a_selector(path):
    board = json.loads(path.read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for panel in board["panels"]:
        assert panel["description"].endswith("."), panel["title"]
    counted = {family(name) for expression in expressions for name in _NAME.findall(expression)}
    has_area = {name for name in counted if "area" in OURS.get(name, ()) and name.endswith("_total")}
    variables = {variable["name"] for variable in board["templating"]["list"]}
    assert variables == ({"area"} if any("$area" in expression for expression in expressions) else set())
    assert not has_area or "area" in variables


def test_every_alarm_has_a_runbook():
    headings = set(re.findall(r"^### (\w+)$", (ROOT / "docs/operator/alarms.md").read_text(), re.MULTILINE))
    assert {alarm["alert"] for alarm in ALARMS} == headings
    for alarm in ALARMS:
        assert alarm["annotations"]["runbook"] == f"docs/operator/alarms.md#{alarm['alert'].lower()}"
        assert alarm["labels"]["severity"] in {"page", "ticket", "none"}


def test_the_page_of_metrics_lists_every_metric():
    table = re.findall(r"^\| `(piekwacht_\w+)` \| ([^|]*)\|", (ROOT / "docs/metrics.md").read_text(), re.MULTILINE)
    assert {name: set(filter(None, labels.replace(" ", "").split(","))) for name, labels in table} == OURS


def test_inhibitions_name_alarms_that_exist():
    text = (DEPLOY / "alertmanager/alertmanager.yml").read_text()
    named = {name for match in re.findall(r'alertname=~?"([^"]+)"', text) for name in match.split("|")}
    assert named <= {alarm["alert"] for alarm in ALARMS}
