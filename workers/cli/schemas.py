"""`faultline schemas`: the contract with everyone downstream, to be printed, saved and compared."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer

from schemas.catalog import NAMES, Schema, json_schema, record
from workers.cli.failures import WrongUse
from workers.cli.output import print_json, print_table

app = typer.Typer(help="Print the Avro and JSON schemas of every record.")

Form = Literal["avro", "json"]
_SUFFIX = {"avro": ".avsc", "json": ".schema.json"}


@app.command()
def schemas(
    name: Annotated[str, typer.Argument(help="A record: Event, Vector, Score …; without one, all are listed.")] = "",
    form: Annotated[Form, typer.Option(help="Avro, or JSON Schema (2020-12).")] = "avro",
    out: Annotated[Path | None, typer.Option(help="Write every schema, in both forms, into this folder.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="All of them as one JSON document.")] = False,
) -> None:
    """The schema of each record on our topics. Avro schemas stay compatible both ways from release to release.

    Example: faultline schemas Score --form json > score.schema.json
    """
    if out is not None:
        for path in save(out):
            print(path)
    elif name:
        print_json(schema(name, form))
    elif as_json:
        print_json({one: schema(one, form) for one in NAMES})
    else:
        print_table(("record", "what it is", "fields"), [_summary(one) for one in NAMES])


def schema(name: str, form: Form) -> Schema:
    """One schema; `WrongUse` names the records there are."""
    if name not in NAMES:
        raise WrongUse(f"{name} is no record of ours. There are: {', '.join(NAMES)}")
    return record(name).schema if form == "avro" else json_schema(name)


def save(folder: Path) -> list[Path]:
    """Write all schemas into a folder, which is made if need be; the files written."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    forms: tuple[Form, ...] = ("avro", "json")
    for name in NAMES:
        for form in forms:
            path = folder / f"{name}{_SUFFIX[form]}"
            path.write_bytes(orjson.dumps(schema(name, form), option=orjson.OPT_INDENT_2) + b"\n")
            written.append(path)
    return written


def _summary(name: str) -> tuple[str, str, int]:
    described = record(name).schema
    return name, str(described.get("doc", "")).split(". ")[0], len(described["fields"])
