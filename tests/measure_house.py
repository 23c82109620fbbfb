"""Print the measures of design/house.md for a checkout: `python -m tests.measure_house [--repo PATH] [--list MEASURE]`.

`tests/test_names.py` judges some of them. Everything is read from the syntax tree; nothing of the checkout is run.
"""

import argparse
import ast
import re
import statistics
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from tests.textlint.__main__ import NotRunError, lint, sources

PACKAGES = ("gateway", "alerting", "edge_agent")
# Participles and pronouns that do not name the thing they hold.
VAGUE = frozenset({
    "one", "found", "told", "known", "kept", "given", "wanted", "rest", "what", "who", "said", "seen", "there", "made",
    "taken", "asked", "worded", "those", "such", "else_",
})  # fmt: skip
# Participles and pronouns that are no name at all: not once, in the packages and in their tests.
BANNED_NAMES = frozenset({"found", "told", "kept", "one", "wanted", "came", "heard", "gone"})
# Names that the code gives to a row of a query's result; `rows[...]` and the result of a fetch count as well.
ROWS = frozenset({"row", "r", "record"})
_FETCHES = frozenset({"fetchone", "fetchall", "fetchmany"})


class Place(NamedTuple):
    """A finding: file relative to the checkout, line, and the name or expression there."""

    path: str
    line: int
    text: str

    def __str__(self) -> str:
        """`path:line: text`, as editors read it."""
        return f"{self.path}:{self.line}: {self.text}"


@dataclass(frozen=True)
class Module:
    """A parsed source file."""

    path: str
    lines: list[str]
    tree: ast.Module

    @cached_property
    def nodes(self) -> list[ast.AST]:
        """Every node of the syntax tree."""
        return list(ast.walk(self.tree))


def modules(repo: Path, package: str) -> list[Module]:
    """The Python files of a package or of `tests`, parsed; those that npm installed are no part of it."""
    result = []
    for file in sorted((repo / package).rglob("*.py")):
        if "node_modules" in file.parts:
            continue
        text = file.read_text(encoding="utf-8")
        result.append(Module(file.relative_to(repo).as_posix(), text.splitlines(), ast.parse(text)))
    return result


def _bound(node: ast.AST) -> Iterator[tuple[str, int]]:
    match node:
        case ast.Name(id=name, ctx=ast.Store()):
            yield name, node.lineno
        case ast.arg(arg=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name, node.lineno
        case ast.alias(asname=str(name)):
            yield name, node.lineno
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name, node.lineno


def vague_identifiers(module: Module) -> list[Place]:
    """Places that bind a name of `VAGUE`, in any case and with any leading underscores; attributes do not count."""
    return [
        Place(module.path, line, name)
        for node in module.nodes
        for name, line in _bound(node)
        if name in VAGUE or name.lstrip("_").lower() in VAGUE
    ]


def banned_names(module: Module) -> list[Place]:
    """Places that bind a name of `BANNED_NAMES`: variable, argument, function, class, import or capture of a pattern.

    Leading underscores do not count. A constant in capitals may have such a name, as the GONE of status 410 has.
    """
    return [
        Place(module.path, line, name)
        for node in module.nodes
        for name, line in _bound(node)
        if name.lstrip("_") in BANNED_NAMES
    ]


def _is_row(node: ast.expr) -> bool:
    match node:
        case ast.Name(id=name):
            return name in ROWS
        case ast.Subscript(value=ast.Name(id="rows")):
            return True
        case ast.Await(value=value):
            return _is_row(value)
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _FETCHES
    return False


def positional_row_accesses(module: Module) -> list[Place]:
    """`row[3]`: a constant index, not negative, on a name of `ROWS`, on `rows[...]` or on what a fetch returns."""
    return [
        Place(module.path, node.lineno, ast.unparse(node))
        for node in module.nodes
        if isinstance(node, ast.Subscript)
        and isinstance(node.slice, ast.Constant)
        and type(node.slice.value) is int
        and _is_row(node.value)
    ]


def any_annotations(module: Module) -> list[Place]:
    """Uses of `typing.Any`, its import apart."""
    return [
        Place(module.path, node.lineno, "Any")
        for node in module.nodes
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
    ]


def noqa_comments(module: Module) -> list[Place]:
    """Suppressions of the linter."""
    readline = iter([line + "\n" for line in module.lines]).__next__
    return [
        Place(module.path, token.start[0], token.string)
        for token in tokenize.generate_tokens(readline)
        if token.type == tokenize.COMMENT and re.search(r"#\s*noqa\b", token.string)
    ]


def public_classes(module: Module) -> list[Place]:
    """Classes at the top of a module without a leading underscore."""
    return [
        Place(module.path, node.lineno, node.name)
        for node in module.tree.body
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_")
    ]


def classes_of_one_name(everything: list[Module]) -> dict[str, list[Place]]:
    """Names that more than one public class has, in all packages together."""
    places = defaultdict(list)
    for module in everything:
        for place in public_classes(module):
            places[place.text].append(place)
    return {name: of_name for name, of_name in sorted(places.items()) if len(of_name) > 1}


def function_lengths(module: Module) -> list[int]:
    """Lines from `def` to the end, docstring included, decorators apart."""
    functions = (node for node in module.nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


def root_modules(repo: Path, package: str) -> list[str]:
    """The modules in a package's root, `__init__` and `__main__` included."""
    return sorted(file.stem for file in (repo / package).glob("*.py"))


MEASURES = {
    "vague": vague_identifiers,
    "banned": banned_names,
    "rows": positional_row_accesses,
    "any": any_annotations,
    "noqa": noqa_comments,
}


def _spread(values: list[int]) -> str:
    ninth = statistics.quantiles(values, n=10)[-1]
    return f"{statistics.median(values):.0f} / {ninth:.0f}"


def table(repo: Path, *, prose: bool) -> Iterator[str]:
    """The lines of the table: one column per package, and the sum if it means something."""
    parsed = {package: modules(repo, package) for package in PACKAGES}
    rows: list[tuple[str, list[object], object]] = []
    lines = [sum(len(module.lines) for module in parsed[package]) for package in PACKAGES]
    rows.append(("lines", [*lines], sum(lines)))
    rows.append(("files", [len(parsed[package]) for package in PACKAGES], sum(map(len, parsed.values()))))
    roots = [len(root_modules(repo, package)) for package in PACKAGES]
    rows.append(("files in the root", [*roots], sum(roots)))
    labels = {
        "vague": "vague identifiers",
        "banned": "banned names",
        "rows": "positional row accesses",
        "any": "Any",
        "noqa": "noqa",
    }
    for name, measure in MEASURES.items():
        counts = [sum(len(measure(module)) for module in parsed[package]) for package in PACKAGES]
        rows.append((labels[name], [*counts], sum(counts)))
        if name == "vague":
            share = [f"{1_000 * count / size:.1f}" for count, size in zip(counts, lines, strict=True)]
            rows.append(("  per 1,000 lines", [*share], f"{1_000 * sum(counts) / sum(lines):.1f}"))
    twice = classes_of_one_name([module for package in PACKAGES for module in parsed[package]])
    inside = [len(classes_of_one_name(parsed[package])) for package in PACKAGES]
    rows.append(("names of several public classes", [*inside], len(twice)))
    for label, lengths in (
        ("file length, median / p90", lambda module: [len(module.lines)]),
        ("function length, median / p90", function_lengths),
    ):
        values = [[length for module in parsed[package] for length in lengths(module)] for package in PACKAGES]
        rows.append((label, [_spread(value) for value in values], _spread([*values[0], *values[1], *values[2]])))
    yield f"{'':34}{'gateway':>12}{'alerting':>12}{'edge_agent':>12}{'together':>12}"
    if prose:
        rows.extend(_prose(repo))
    for label, columns, together in rows:
        yield f"{label:34}{''.join(f'{value!s:>12}' for value in columns)}{together!s:>12}"
    yield ""
    yield from (
        f"{name}: {', '.join(f'{place.path}:{place.line}' for place in places)}" for name, places in twice.items()
    )


def _prose(repo: Path) -> Iterator[tuple[str, list[object], object]]:
    try:
        findings = lint(repo, sources(repo, []))
    except NotRunError as error:
        print(f"prose: NOT RUN: {error}", file=sys.stderr)
        return
    for label, rule in (("sentences over 30 words", "sentence-words"), ("banned terms", "terms")):
        counts = Counter(finding.path.split("/")[0] for finding in findings if finding.rule == rule)
        yield f"{label} (code)", [counts[package] for package in PACKAGES], sum(counts[package] for package in PACKAGES)
        yield f"{label} (*.md)", ["", "", ""], sum(1 for f in findings if f.rule == rule and f.path.endswith(".md"))


def main() -> None:
    """Print the table, or the places of one measure."""
    parser = argparse.ArgumentParser(prog="python -m tests.measure_house", description=__doc__)
    parser.add_argument(
        "--repo", type=Path, default=Path(__file__).parents[1], help="the checkout, if it is not this one"
    )
    parser.add_argument("--list", choices=MEASURES, help="print every place of one measure instead")
    parser.add_argument("--no-prose", action="store_true", help="leave textlint out")
    arguments = parser.parse_args()
    repo = arguments.repo.resolve()
    if arguments.list:
        for package in PACKAGES:
            for module in modules(repo, package):
                for place in MEASURES[arguments.list](module):
                    print(place)
        return
    for line in table(repo, prose=not arguments.no_prose):
        print(line)


if __name__ == "__main__":
    main()
