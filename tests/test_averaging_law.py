"""Values of a property are averaged by the rule of the property, in `alerting.averaging` and nowhere else.

A mean that divides by a count is wrong for levels of sound. Each module that does so names the quantity here.
"""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).parents[1]
OTHER_QUANTITIES = {
    "alerting/averaging.py": "the rules themselves",
    "gateway/api/data/area_wind.py": "vectors of the wind",
    "gateway/api/data/hazard_index.py": "a share of hours",
    "gateway/api/inspector/source_direction.py": "a share of cells",
    "gateway/assessment/assess.py": "concentrations: published levels of other quantities are not assessed",
    "gateway/assessment/averaging.py": "concentrations, as above",
    "gateway/dossier/explanations.py": "relative humidity",
    "gateway/localisation/locate.py": "shares of cells and of moments",
    "gateway/quality/collocation.py": "a regression of concentrations",
    "gateway/reconciliation/fit.py": "counts of complaints",
    "gateway/sharding/assignment.py": "load of processes",
    "gateway/verification/correction_step.py": "relative humidity",
    "gateway/verification/standalone/verify.py": "relative humidity",
}
_SUMS, _MEANS = {"sum", "fsum"}, {"mean", "fmean", "average", "nanmean"}


def _name_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_mean(node: ast.AST) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in _MEANS and len(node.args) < 2
    if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.Div):
        return False
    divides_by_count = isinstance(node.right, ast.Call) and _name_of(node.right.func) == "len"
    adds_up = any(isinstance(part, ast.Call) and _name_of(part.func) in _SUMS for part in ast.walk(node.left))
    return divides_by_count and adds_up


def find_means(source: str) -> list[int]:
    """Return the lines that make a mean by hand."""
    return [node.lineno for node in ast.walk(ast.parse(source)) if _is_mean(node)]


@pytest.mark.parametrize("line", ["sum(a) / len(a)", "math.fsum(x for x in a) / len(b)", "a.mean()", "np.average(a)"])
def test_law_recognises_a_mean(line):
    assert find_means(line) == [1]


def test_means_of_values_follow_the_rule_of_their_property():
    paths = [path for package in ("gateway", "alerting") for path in sorted((REPO / package).rglob("*.py"))]
    means = {
        path.relative_to(REPO).as_posix(): lines
        for path in paths
        if path.parts[-2] != "bench" and (lines := find_means(path.read_text()))
    }
    assert set(means) - set(OTHER_QUANTITIES) == set(), means
