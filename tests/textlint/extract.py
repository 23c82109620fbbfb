"""Docstrings and comments of a Python file as Markdown, for textlint.

`markdown` returns lines, each with the line of the source it stands on (None: a separator). Every docstring,
block of comments and trailing comment becomes a paragraph. Indented literal blocks, doctests, ASCII tables
and formulas are left out; directives such as `noqa` are removed, their reason is not.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator

Line = tuple[int, str]  # number of the line in the source, its text
_DIRECTIVE = re.compile(
    r"^(!.*|(noqa|type:\s*ignore|pragma|fmt|mypy|ruff|isort|pylint|shellcheck|pyright)\b"
    r"(:\s*[A-Z]+\d+([,\s]+[A-Z]+\d+)*|\[[^\]]*\]|:\s*[\w ]+$)?)\s*(-+|–|#+|:|;)?\s*"
)
_SECTION = re.compile(r"^(Args|Arguments|Attributes|Raises|Returns|Yields|Note|Notes|Warning|Example|Examples):$")
_ITEM = re.compile(r"^(`[^`]+`(, `[^`]+`)*|\*{0,2}\w+( \([^)]*\))?): ")
_KEY = re.compile(r"^\w+ {2,}\S")  # a row of a table of names, as in the docstrings of settings types
_LIST = re.compile(r"^([-*+]|\d+[.)]) ")
_TABLE = re.compile(r"\S {3,}\S.* {3,}\S|^[-=+|─│┌└├ ]{4,}$|\|.*\||[─│┌└├▶◀▼▲]|-->|──")
_FORMULA = re.compile(r"(^|\s)(=|:=|<=|>=|≤|≥|≈|\+=|∑|√|·|→|<-|\^)(\s|$)")
_PROSE_WORD = re.compile(r"(?<![\w.(])[A-Za-z]{4,}(?![\w(=\[])")


def _is_code(text: str) -> bool:
    if _TABLE.search(text):
        return True
    return bool(_FORMULA.search(text)) and len(_PROSE_WORD.findall(text)) < 3


def _paragraphs(block: list[Line]) -> Iterator[Line | None]:
    """The prose of a docstring or of a block of comments, None between paragraphs."""
    literal = False  # inside an indented block, or a doctest
    section = 0  # indentation of the entries of a section such as `Args:`
    previous = ""
    base = min((len(text) - len(text.lstrip()) for _, text in block[1:] if text.strip()), default=0)
    for index, (number, line) in enumerate(block):
        text = line.strip()
        indent = len(line) - len(line.lstrip()) - base if index else 0
        if not text:
            literal = literal and indent > 0
            yield None
        elif _SECTION.match(text):
            literal, section = False, 1
            yield None
        elif text.startswith((">>>", "...")) and not text.startswith("... "):
            literal = True
            yield None
        else:
            if indent <= 0:
                literal, section = False, 0
            elif not section and (previous.endswith("::") or not previous) and not _LIST.match(text):
                literal = True
            if literal or _is_code(text):
                yield None
            else:
                if _ITEM.match(text) or _LIST.match(text) or _KEY.match(text):
                    yield None
                yield number, text
        previous = text


def _docstrings(source: str) -> Iterator[list[Line]]:
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            block = lines[node.lineno - 1 : node.end_lineno]
            block[-1] = block[-1].encode()[: node.end_col_offset].decode()
            block[0] = block[0].encode()[node.col_offset :].decode()
            block[0] = re.sub(r"^[A-Za-z]*(\"\"\"|'''|\"|')", "", block[0])
            block[-1] = re.sub(r"(\"\"\"|'''|\"|')\s*$", "", block[-1])
            yield [(node.lineno + at, text) for at, text in enumerate(block)]


def _comments(source: str) -> Iterator[list[Line]]:
    block: list[Line] = []
    column = -1
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        (line, start), text = token.start, token.string[1:]
        own = not token.line[:start].strip()
        if _DIRECTIVE.match(text.strip()):
            text = _DIRECTIVE.sub("", text.strip())
        if block and own and start == column and line == block[-1][0] + 1:
            block.append((line, text))
            continue
        if block:
            yield block
        block, column = [(line, text)], start if own else -1
    if block:
        yield block


def markdown(source: str) -> tuple[list[str], list[int | None]]:
    """The Markdown lines, and for each its line in the source."""
    text: list[str] = []
    numbers: list[int | None] = []

    def write(entries: Iterable[Line | None]) -> None:
        for entry in entries:
            number, line = entry or (None, "")
            text.append(line)
            numbers.append(number)

    for block in sorted((*_docstrings(source), *_comments(source)), key=lambda block: block[0][0]):
        write(_paragraphs(block))
        write([None])
    return text, numbers
