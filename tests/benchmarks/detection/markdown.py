"""Tables in Markdown, and their place in a document."""

import sys


def format_table(rows, columns):
    """Rows of texts as a table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def insert_table(document, table, begin, end):
    """Replace what stands between the two marks of a document."""
    text = document.read_text()
    head, mark, rest = text.partition(begin)
    _, other, tail = rest.partition(end)
    if not (mark and other):
        sys.exit(f"{document}: no place for the table: the marks {begin} and {end} are missing")
    document.write_text(f"{head}{begin}\n{table}\n{end}{tail}")
