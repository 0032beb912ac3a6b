"""`faultline opensearch clean|features|combine`: each step of the way from documents to features by itself."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.prompt import Prompt

from workers.cli.failures import WrongUse
from workers.cli.opensearch_access import interactive, plain_errors
from workers.cli.opensearch_cleaning import Cleaner
from workers.cli.opensearch_combining import cleaned_tags
from workers.cli.opensearch_combining import combine as combine_sets
from workers.cli.opensearch_features import make_features
from workers.cli.opensearch_options import (
    DATA,
    AsJson,
    DataDir,
    Folders,
    KeepDuplicates,
    Mapping,
    NonInteractive,
    Quiet,
    words_of,
)
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.sources.opensearch.raw import RawIndex

Datasets = Annotated[list[str] | None, typer.Argument(help="Names of data sets. Default: asked for on a terminal.")]


def clean(
    indices: Annotated[list[str] | None, typer.Argument(help="Downloaded indices. Default: all that are here.")] = None,
    data_dir: DataDir = DATA,
    mapping: Mapping = "",
    keep_duplicates: KeepDuplicates = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Clean downloaded documents: types, missing values, duplicates, bad rows kept aside, and a validation report.

    Example: faultline opensearch clean events-20251024
    """
    voice, folders = Voice.of(quiet, as_json), Folders(data_dir)
    with plain_errors():
        chosen = indices or downloaded(folders)
        if not chosen:
            raise WrongUse(f"no index is in {folders.raw}; `faultline opensearch download` fetches some")
        cleaner = Cleaner(load_settings(), mapping, keep_duplicates, voice)
        reports = [clean_one(cleaner, folders, index, voice) for index in chosen]
    voice.report(f"cleaned in {folders.clean}, reports in {folders.artifacts}", {"datasets": reports})


def features(
    datasets: Datasets = None,
    inputs: Annotated[
        list[Path] | None, typer.Option("--input", help="A cleaned file instead of a name; several are possible.")
    ] = None,
    data_dir: DataDir = DATA,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Make features of cleaned data sets by the profile `event`: what workers would compute live, row by row.

    Example: faultline opensearch features events-20251024
    """
    voice, folders = Voice.of(quiet, as_json), Folders(data_dir)
    found = {path.name.removesuffix(".parquet").removesuffix("_cleaned"): path for path in inputs or []}
    if not found or datasets:
        found |= {tag: folders.cleaned(tag) for tag in _datasets(datasets, folders, voice, non_interactive)}
    settings = load_settings()
    done = [make_features(path, tag, folders, settings, voice) for tag, path in found.items()]
    for one in done:
        voice.say(f"{one.features}: {one.rows:,} rows")
    voice.report("", {"features": [_plain(asdict(one)) for one in done]})


def combine(
    datasets: Datasets = None,
    tag: Annotated[str, typer.Option(help="What the result is called; default: combined_ and what went in.")] = "",
    data_dir: DataDir = DATA,
    non_interactive: NonInteractive = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Combine several cleaned data sets into one in time order, tagged by what went in.

    Example: faultline opensearch combine events-20251024 events-20251026
    """
    voice, folders = Voice.of(quiet, as_json), Folders(data_dir)
    found = combine_sets(_datasets(datasets, folders, voice, non_interactive), folders, voice, tag)
    voice.report(f"{found['cleaned']}: {found['events']:,} events of {', '.join(found['parts'])}", found)


def clean_one(cleaner: Cleaner, folders: Folders, index: str, voice: Voice) -> dict[str, Any]:
    """Clean one download and say what came of it."""
    report = cleaner.clean(folders.raw / index, folders)
    voice.say(
        f"{index}: {report['events']:,} events of {report['documents']:,} documents, {report['rejected']:,} rejected, "
        f"{report['duplicates']:,} duplicates"
    )
    for reason in report["reasons"][:3]:
        voice.say(f"  {reason['rows']:,} × {reason['example']}")
    return report


def downloaded(folders: Folders) -> list[str]:
    """Indices that are here to their end."""
    if not folders.raw.is_dir():
        return []
    known = ((path.name, RawIndex.load(path)) for path in sorted(folders.raw.iterdir()) if path.is_dir())
    return [name for name, raw in known if raw is not None and raw.complete]


def _datasets(given: list[str] | None, folders: Folders, voice: Voice, non_interactive: bool) -> list[str]:
    if given:
        return [tag for one in given for tag in words_of(one)]
    known = cleaned_tags(folders)
    if not known:
        raise WrongUse(f"no data set is in {folders.clean}; `faultline opensearch clean` makes some")
    if not interactive(non_interactive):
        raise WrongUse(f"which data sets? There are {', '.join(known)}")
    return ask(voice, "Data sets", known)


def ask(voice: Voice, what: str, known: list[str]) -> list[str]:
    """Some of the names, chosen by name or number. Raises `WrongUse`."""
    for number, name in enumerate(known, 1):
        voice.console.print(f"{number:>3}  {name}", markup=False)
    answer = words_of(Prompt.ask(f"{what}: names or numbers, separated by commas", console=voice.console))
    chosen = [known[int(one) - 1] if one.isdigit() and 0 < int(one) <= len(known) else one for one in answer]
    unknown = [one for one in chosen if one not in known]
    if unknown or not chosen:
        raise WrongUse(f"{', '.join(unknown) or 'nothing'}: expected some of {', '.join(known)}")
    return chosen


def _plain(document: dict[str, Any]) -> dict[str, Any]:
    return {name: str(value) if isinstance(value, Path) else value for name, value in document.items()}
