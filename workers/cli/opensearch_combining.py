"""Several cleaned data sets as one, tagged by what went in."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from schemas.columns import Events
from schemas.times import format_time
from workers.cli.failures import WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.opensearch_cleaning import content_hash
from workers.cli.opensearch_options import Folders, file_name
from workers.cli.voice import Voice
from workers.sources.columns import take
from workers.sources.opensearch.raw import write_whole
from workers.sources.save import EventsFile

_LONGEST = 120


def combined_tag(tags: Sequence[str]) -> str:
    """`combined_a_b`; of many, the first and how many more, told apart by a hash of all names."""
    whole = "_".join(("combined", *tags))
    if len(whole) <= _LONGEST:
        return whole
    digest = hashlib.blake2b("\0".join(tags).encode(), digest_size=4).hexdigest()
    return f"combined_{tags[0]}_and_{len(tags) - 1}_more_{digest}"


def combine(tags: Sequence[str], folders: Folders, voice: Voice, name: str = "") -> dict[str, Any]:
    """Merge cleaned data sets in time order; what went in is beside the result. Raises `WrongUse`.

    A document that is in several of them counts once.
    """
    unique = list(dict.fromkeys(tags))
    if len(unique) < 2:
        raise WrongUse("to combine takes two data sets or more")
    paths = [folders.cleaned(tag) for tag in unique]
    missing = [path for path in paths if not path.is_file()]
    if missing:
        raise WrongUse(f"{missing[0]}: no such file; `faultline opensearch clean` makes it")
    tag = file_name(name) if name else combined_tag(unique)
    target = folders.cleaned(tag)
    scratch = target.with_name(f".{target.name}.new.parquet")
    events, first, last = 0, None, None
    with counted(open_tape(paths, voice), voice, f"combining {tag}") as blocks, EventsFile(scratch) as file:
        for block in _once(blocks):
            if len(block):
                file.write(block)
                events += len(block)
                first = int(block.time[0]) if first is None else first
                last = int(block.time[-1])
    scratch.replace(target)
    parts = [{"dataset": one, "sha256": content_hash(path)} for one, path in zip(unique, paths, strict=True)]
    found = {
        "dataset": tag,
        "parts": unique,
        "contents": parts,
        "sha256": content_hash(target),
        "cleaned": str(target),
        "events": events,
        "first": None if first is None else format_time(first),
        "last": None if last is None else format_time(last),
    }
    write_whole(folders.clean / f"{tag}_cleaned.json", orjson.dumps(found, option=orjson.OPT_INDENT_2) + b"\n")
    return found


def _once(blocks: Iterator[Events]) -> Iterator[Events]:
    """Without documents that came before. The same one has the same time: those of one time are all that is kept."""
    seen: set[str] = set()
    latest = -1
    for block in blocks:
        keep = []
        names, codes = block.id.values, block.id.codes.tolist()
        for row, (code, time) in enumerate(zip(codes, block.time.tolist(), strict=True)):
            if time != latest:
                seen, latest = set(), time
            if code >= 0:
                if names[code] in seen:
                    continue
                seen.add(names[code])
            keep.append(row)
        yield take(block, np.array(keep, np.intp)) if len(keep) < len(block) else block


def cleaned_tags(folders: Folders) -> list[str]:
    """The data sets that are cleaned, by name."""
    return sorted(path.name.removesuffix("_cleaned.parquet") for path in _files(folders.clean))


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.glob("*_cleaned.parquet") if not path.name.startswith(".")]
