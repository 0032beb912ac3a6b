"""How commands speak: tables for people, JSON for machines, colours only on a terminal."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

import orjson
from rich.console import Console
from rich.table import Table

STYLES = {"ok": "green", "warning": "yellow", "failed": "bold red", "missing": "bold red", "differs": "yellow"}


def print_json(document: object) -> None:
    """One document, indented, on standard output."""
    sys.stdout.write(orjson.dumps(document, option=orjson.OPT_INDENT_2).decode() + "\n")


def print_line(document: object) -> None:
    """One document as one line, at once: for what is followed."""
    sys.stdout.write(orjson.dumps(document).decode() + "\n")
    sys.stdout.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """A table as wide as it needs to be where nobody looks at it, as the terminal where somebody does."""
    table = Table(*columns, title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*[_cell(value) for value in row])
    console().print(table)


def console() -> Console:
    return Console(soft_wrap=False, highlight=False, width=None if sys.stdout.isatty() else 200)


def _cell(value: object) -> str:
    text = "" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
    style = STYLES.get(text)
    return f"[{style}]{text}[/]" if style else text.replace("[", r"\[")
