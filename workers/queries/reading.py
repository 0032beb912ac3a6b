"""A file of queries: one that comes along, or the user's own."""

from __future__ import annotations

import difflib
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from workers.queries.errors import QueryFileError
from workers.queries.model import Query, QueryFile

SHIPPED = ("otel", "spanmetrics", "http")


@lru_cache(maxsize=16)
def read_queries(name: str) -> QueryFile:
    """The queries of a set that comes along, or of a YAML file. Raises QueryFileError."""
    try:
        if name in SHIPPED:
            text = (files("workers.queries") / f"{name}.yaml").read_text()
        else:
            text = Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        sets = ", ".join(SHIPPED)
        reason = getattr(error, "strerror", None) or str(error)
        raise QueryFileError(f"queries {name}: {reason}. Give a YAML file, or one of {sets}") from error
    return parse_queries(text, name)


def parse_queries(text: str, name: str) -> QueryFile:
    """The queries in a YAML text; `name` is what errors call it. Raises QueryFileError."""
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise QueryFileError(f"{name}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise QueryFileError(f"{name}: must be a mapping with label and queries")
    try:
        return QueryFile.model_validate(content)
    except ValidationError as error:
        lines = [_line(name, content, detail) for detail in error.errors(include_url=False)]
        raise QueryFileError("\n".join(lines)) from error


def _line(name: str, content: dict[str, Any], detail: Any) -> str:
    """`own.yaml: query latency_p95: unit: 'secnds' is no unit: did you mean seconds?`"""
    path = list(detail["loc"])
    message = str(detail["msg"]).removeprefix("Value error, ")
    if detail["type"] == "extra_forbidden":
        known = sorted(Query.model_fields if path[:1] == ["queries"] else QueryFile.model_fields)
        near = difflib.get_close_matches(str(path[-1]), known, n=1)
        message = f"is not known here{f'; did you mean {near[0]}?' if near else ''}"
    elif detail["type"] == "missing":
        message = "is missing"
    where = name
    if path[:1] in (["queries"], ["categories"]) and len(path) > 1 and isinstance(path[1], int):
        what = "query" if path[0] == "queries" else "category"
        where += f": {what} {_called(content, path[0], path[1])}"
        path = path[2:]
    field = ".".join(str(step) for step in path)
    return f"{where}: {field}: {message}" if field else f"{where}: {message}"


def _called(content: dict[str, Any], part: str, number: int) -> str:
    try:
        return str(content[part][number]["name"])
    except (KeyError, TypeError, IndexError):
        return f"number {number + 1}"
