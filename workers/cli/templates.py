"""`faultline templates`: from log messages to a frozen file of their kinds, and what such a file says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import zip_longest
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray

from models.features.logs import log_set
from models.logs.masking import mask
from models.logs.matching import Matcher, new_kind
from models.logs.mining import Miner, MiningPolicy, readable
from models.logs.templates import MAX_COUNTED, MAX_TEMPLATES, Templates, load_templates, save_templates
from schemas.columns import Events
from schemas.times import format_time
from workers.cli.extras import needing
from workers.cli.failures import WrongUse
from workers.cli.message_files import is_text, line_blocks, messages_of, topic_blocks
from workers.cli.output import print_json, print_table
from workers.cli.voice import Voice
from workers.settings import load_settings

app = typer.Typer(help="Mine, show and try templates of log messages (docs/logs.md).", no_args_is_help=True)

Block = tuple[list[str], NDArray[np.int64], tuple[int, int]]
"""Distinct texts, how often each was said, and when the block begins and ends (epoch microseconds; 0: not known)."""

_USUAL = MiningPolicy()
_LEFT_OUT = 0.001
"""From this share of the lines on it is said that some were of kinds that there was no room for."""

FileArgument = Annotated[str, typer.Argument(metavar="FILE", help="A file of templates: a path or an fsspec URL.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command()
def mine(
    data: Annotated[
        list[Path] | None,
        typer.Argument(help="Canonical events (Parquet, NDJSON), or text with one message a line (.log, .txt)."),
    ] = None,
    from_topic: Annotated[
        str,
        typer.Option("--from-topic", metavar="TOPIC", help="Canonical events of a topic, up to its end as it is now."),
    ] = "",
    out: Annotated[str, typer.Option(help="Folder (path or fsspec URL) for templates-<hash>.json.")] = "templates",
    counted: Annotated[
        int, typer.Option(min=0, max=MAX_COUNTED, help="Kinds with features of their own: those of the most lines.")
    ] = _USUAL.counted,
    most: Annotated[
        int, typer.Option("--max", min=1, max=MAX_TEMPLATES, help="Kinds that are known; a message of none is new.")
    ] = _USUAL.most,
    similarity: Annotated[
        float,
        typer.Option(min=0.01, max=1.0, help="Share of its unmasked words that makes a message of a kind."),
    ] = _USUAL.similarity,
    no_examples: Annotated[
        bool, typer.Option("--no-examples", help="Keep no message as it was said: for texts that may hold secrets.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only the file's place.")] = False,
    as_json: AsJson = False,
) -> None:
    """Group messages by Drain, freeze the kinds in a file named by its hash, and print where it lies.

    Example: faultline templates mine week.parquet --out s3://models/templates
    """
    voice = Voice.of(quiet, as_json)
    if bool(data) == bool(from_topic):
        raise WrongUse("give files with messages, or --from-topic")
    with needing("faultline templates mine", "logs"):
        miner = Miner(MiningPolicy(similarity, most, counted, examples=not no_examples))
    for texts, lines, span in _said(data or [], from_topic, voice):
        miner.take(texts, lines, span)
    templates = miner.freeze()
    place = save_templates(templates, out)
    if as_json:
        print_json({"file": place, **_document(templates)})
    else:
        voice.say(f"{_sentence(templates)}; turn them on with FAULTLINE_WINDOWS__LOG_TEMPLATES")
        print(place)


@app.command()
def show(
    file: FileArgument,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many: those of the most lines.")] = 50,
    as_json: AsJson = False,
) -> None:
    """The kinds of a file, with how often each was said in training, and an example.

    Example: faultline templates show templates/templates-3f0c….json
    """
    templates = load_templates(file)
    if as_json:
        print_json({"file": file, **_document(templates)})
        return
    print_table(
        ("", "lines", "share", "template", "example"),
        [_row(templates, place) for place in range(min(limit, len(templates.templates)))],
        title=f"{_sentence(templates)} (*)",
    )
    if len(templates.templates) > limit:
        print(f"… and {len(templates.templates) - limit:,} more (--limit)")


@app.command("match")
def match_messages(
    file: FileArgument,
    texts: Annotated[list[str], typer.Argument(metavar="TEXT…", help="Messages, each in quotes.")],
    as_json: AsJson = False,
) -> None:
    """Of which kind messages would be: as the windows worker sees them.

    Example: faultline templates match templates/templates-3f0c….json "user bob logged in"
    """
    templates = load_templates(file)
    matcher, rows = Matcher(templates), []
    for text, masked in zip(texts, mask(texts), strict=True):
        place = matcher.place(masked) if masked else -1
        found = templates.templates[place].text if place >= 0 else None
        new = f"{new_kind(masked):016x}" if masked and found is None else None
        rows.append({"message": text, "masked": readable(masked), "template": found, "new_kind": new})
    if as_json:
        print_json(rows)
    else:
        print_table(("message", "template"), [(row["message"], _kind(row)) for row in rows])


def _said(data: list[Path], topic: str, voice: Voice) -> Iterator[Block]:
    missing = [path for path in data if not path.exists()]
    if missing:
        raise WrongUse(f"{missing[0]}: no such file or folder")
    for path in filter(is_text, data):
        with voice.counter(f"reading {path.name}", unit="lines") as counter:
            for texts, lines in line_blocks(path):
                counter.add(int(lines.sum()))
                yield texts, lines, (0, 0)
    structured = [path for path in data if not is_text(path)]
    if structured:
        from workers.cli.learning_data import counted, open_tape

        with counted(open_tape(structured, voice), voice, "reading") as blocks:
            yield from _of_events(blocks)
    if topic:
        with voice.counter(f"reading {topic}") as counter:
            for block in topic_blocks(load_settings(), topic):
                counter.add(len(block))
                yield from _of_events([block])


def _of_events(blocks: Iterable[Events]) -> Iterator[Block]:
    for block in blocks:
        texts, lines = messages_of(block)
        if texts:
            yield texts, lines, (int(block.time.min()), int(block.time.max()))


def _row(templates: Templates, place: int) -> tuple[object, ...]:
    found = templates.templates[place]
    share = found.lines / max(templates.lines, 1)
    return "*" if place < templates.counted else "", found.lines, f"{share:.2%}", found.text, found.example


def _kind(row: Mapping[str, str | None]) -> str:
    if row["template"] is not None:
        return row["template"]
    return f"new: {row['masked']}" if row["new_kind"] else "no word in it"


def _document(templates: Templates) -> dict[str, object]:
    return {
        "hash": templates.hash,
        "lines": templates.lines,
        "left_out": templates.left_out,
        "start": format_time(templates.start) if templates.end else None,
        "end": format_time(templates.end) if templates.end else None,
        "counted": templates.counted,
        "feature_set": log_set(templates.metrics, templates.hash).hash,
        "templates": [
            {"template": one.text, "lines": one.lines, "example": one.example or None, "metric": metric}
            for one, metric in zip_longest(templates.templates, templates.metrics)
        ],
    }


def _sentence(templates: Templates) -> str:
    said = (
        f"{len(templates.templates):,} kinds of messages in {templates.lines:,} lines, "
        f"{templates.counted:,} with features of their own"
    )
    if templates.left_out > _LEFT_OUT * templates.lines:
        share = templates.left_out / templates.lines
        said += f"; {share:.1%} of the lines are of kinds that there was no room for, and will count as new (--max)"
    return said
