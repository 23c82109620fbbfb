"""Regular expressions are literals, but for those of people, which one module compiles with RE2."""

import ast
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[1]
THE_PLACE = REPO / "alerting" / "decide" / "pattern.py"
_FUNCTIONS = frozenset({"compile", "match", "fullmatch", "search", "sub", "subn", "split", "findall", "finditer"})


def _constants(tree):
    """The names that the module assigns a string, or an f-string of such names."""
    names = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            names[statement.targets[0].id] = statement.value
    return names


def _is_literal(  # noqa: PLR0911 - one return per kind of expression
    value, names
):
    match value:
        case ast.Constant():
            return True
        case ast.Name(id=name):
            return name in names and _is_literal(names[name], names)
        case ast.JoinedStr(values=parts):
            return all(_is_literal(part, names) for part in parts)
        case ast.FormattedValue(value=inner):
            return _is_literal(inner, names)
        case ast.Subscript(value=inner, slice=ast.Slice()):
            return _is_literal(inner, names)
        case ast.Tuple(elts=parts):
            return all(_is_literal(part, names) for part in parts)
        case ast.Call(func=ast.Attribute(value=ast.Constant(), attr="join"), args=[parts]):
            return _is_literal(parts, names)
        case ast.BinOp(left=left, right=right):
            return _is_literal(left, names) and _is_literal(right, names)
    return False


def find_patterns_that_are_no_literal(path, source):
    tree = ast.parse(source)
    names = _constants(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and (REPO / f"{node.module.replace('.', '/')}.py").exists():
            imported = _constants(ast.parse((REPO / f"{node.module.replace('.', '/')}.py").read_text()))
            names.update({alias.asname or alias.name: imported.get(alias.name) for alias in node.names})
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"re", "re2"}:
            yield f"{path}:{node.lineno}: import the module, so that calls are seen"
        if isinstance(node, ast.Import) and any(alias.name in {"re2", "regex", "fnmatch"} for alias in node.names):
            yield f"{path}:{node.lineno}: imports {ast.unparse(node)}"
        if not isinstance(node, ast.Call):
            continue
        is_re = (
            isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id == "re"
            and node.func.attr in _FUNCTIONS
        )
        patterns = node.args[:1] if is_re else []
        patterns += [keyword.value for keyword in node.keywords if keyword.arg in {"pattern", "regex"}]
        for pattern in patterns:
            if not _is_literal(pattern, names):
                yield f"{path}:{node.lineno}: {ast.unparse(node)}"


def test_only_one_module_compiles_patterns_that_are_no_literals():
    problems = []
    for package in ("edge_agent", "gateway", "alerting"):
        for path in sorted((REPO / package).rglob("*.py")):
            if path != THE_PLACE:
                problems += find_patterns_that_are_no_literal(path.relative_to(REPO), path.read_text())
    assert problems == []


@pytest.mark.parametrize(
    "source",
    [
        "import re\ndef f(text): return re.compile(text)",
        "import re\ndef f(a, b): return re.fullmatch(a, b)",
        "import re\nX = open('x').read()\nY = re.compile(X)",
        "import re\ndef f(a): return re.search(f'{a}+', 'b')",
        "from re import compile as c\n",
        "import re2\n",
        "import fnmatch\n",
        "def f(p): return Meta(pattern=p)",
    ],
)
def test_the_search_detects_each_way_to_compile_a_pattern(source):
    assert list(find_patterns_that_are_no_literal("x.py", source))


def test_the_search_ignores_literal_patterns():
    source = (
        "import re\nfrom edge_agent.wire import PROPERTY\n_A = 'a'\n_B = re.compile(rf'{_A}+')\nre.compile(PROPERTY)\n"
    )
    assert list(find_patterns_that_are_no_literal("x.py", source)) == []
