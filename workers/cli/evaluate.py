"""`faultline evaluate`: how good scores are, against labels."""

from __future__ import annotations

import math
import operator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from models.evaluation import Confusion, average_precision
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.sources.replay.play import find_files

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(help="Judge scores against labels.")

LOWER_IS_BETTER = frozenset({"fpr", "fnr"})


@app.command()
def evaluate(
    scores: Annotated[Path, typer.Argument(help="What `faultline backtest --out` wrote.")],
    data: Annotated[list[Path], typer.Argument(help="The tables it was run on: timestamp, entity, label, split.")],
    require: Annotated[
        list[str] | None,
        typer.Option(help="Fail unless reached: precision=0.953; of fpr and fnr an upper bound."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of a table.")] = False,
) -> None:
    """Confusion counts, precision, recall, F1, false-positive rate and average precision, row by row.

    Every row of DATA with a label that is not of the split `train` counts; one without a score counts as not flagged.

    Example: faultline evaluate scores.parquet tables/ --require precision=0.953 --require fpr=0.118
    """
    wanted = [_requirement(text) for text in require or []]
    rows = _join(scores, data)
    label = rows["label"].to_numpy(np.float64) > 0
    flagged = rows["is_anomaly"].to_numpy(np.bool_)
    confusion = Confusion.of(flagged, label)
    figures = {
        **confusion.figures(),
        "average_precision": average_precision(rows["anomaly_score"].to_numpy(np.float64), label),
    }
    counts = {"rows": len(rows), "unscored": int(rows["unscored"].sum()), **asdict(confusion)}
    verdicts = {name: _meets(name, figures, bound) for name, bound in wanted}
    if as_json:
        plain = {name: None if math.isnan(value) else value for name, value in figures.items()}
        print_json({**counts, **plain, "met": verdicts})
    else:
        print_table(("rows", "count"), counts.items())
        bounds = dict(wanted)
        marks = {name: f"{'✓' if met else '✗'} {_sign(name)} {bounds[name]:g}" for name, met in verdicts.items()}
        print_table(("figure", "value", "required"), [(n, f"{v:.4f}", marks.get(n)) for n, v in figures.items()])
    missed = [name for name, met in verdicts.items() if not met]
    if missed:
        raise Failure(f"not reached: {', '.join(missed)}")


def _requirement(text: str) -> tuple[str, float]:
    name, _, bound = text.partition("=")
    known = (*Confusion(0, 0, 0, 0).figures(), "average_precision")
    try:
        if name not in known:
            raise ValueError(name)
        return name, float(bound)
    except ValueError as error:
        raise WrongUse(f"--require {text}: expected <figure>=<number>, with a figure of {', '.join(known)}") from error


def _meets(name: str, figures: dict[str, float], bound: float) -> bool:
    better = operator.le if name in LOWER_IS_BETTER else operator.ge
    return bool(better(figures[name], bound))


def _sign(name: str) -> str:
    return "≤" if name in LOWER_IS_BETTER else "≥"


def _join(scores: Path, data: list[Path]) -> pd.DataFrame:
    """Labelled rows that were to be scored, with their scores."""
    import pandas as pd

    columns = ["timestamp", "entity", "label", "split"]
    tables = []
    for path in find_files(data):
        table = pd.read_parquet(path) if path.suffix in (".parquet", ".pq") else pd.read_csv(path)
        if {"timestamp", "entity", "label"} <= set(table.columns):
            tables.append(table[[column for column in columns if column in table]])
    if not tables:
        raise WrongUse("no table of DATA has the columns timestamp, entity and label")
    rows = pd.concat(tables, ignore_index=True)
    rows = rows[rows["label"].notna()]
    if "split" in rows:
        rows = rows[rows["split"] != "train"]
    found = pd.read_parquet(scores, columns=["timestamp", "entity", "anomaly_score", "is_anomaly"])
    for table in (rows, found):
        table["timestamp"] = pd.to_datetime(table["timestamp"], utc=True).dt.as_unit("us")
    joined = rows.merge(found.drop_duplicates(["entity", "timestamp"]), how="left", on=["entity", "timestamp"])
    joined["unscored"] = joined["anomaly_score"].isna()
    joined["anomaly_score"] = joined["anomaly_score"].fillna(0.0)
    joined["is_anomaly"] = joined["is_anomaly"].eq(True)
    return joined
