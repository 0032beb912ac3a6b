"""`faultline outputs`: what commands have left on disk, and letting go what is old."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from pathlib import Path
from typing import Annotated

import typer

from schemas.times import format_time
from workers.cli.failures import Failure, WrongUse
from workers.cli.left_behind import KINDS, MODELS, Left, find_left
from workers.cli.opensearch_access import size
from workers.cli.opensearch_options import DATA, DataDir
from workers.cli.output import print_json, print_table
from workers.cli.promoting import open_registry
from workers.cli.reading import parse_since
from workers.settings import Settings, load_settings

app = typer.Typer(help="See what commands have left on disk, and let what is old go.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]


@app.command("list")
def list_outputs(
    kinds: Annotated[
        list[str] | None, typer.Argument(metavar="[KIND]…", help=f"{', '.join(KINDS)}; default: all.")
    ] = None,
    data_dir: DataDir = DATA,
    files: Annotated[bool, typer.Option("--files", help="Each of them, not only how many.")] = False,
    as_json: AsJson = False,
) -> None:
    """Models of the registry, and what `faultline opensearch` has downloaded, cleaned, computed and reported.

    Example: faultline outputs list
    """
    found = _find(kinds, data_dir, load_settings())
    if as_json:
        print_json([_document(one) for one in found])
    elif files:
        rows = [(one.kind, one.name, size(one.bytes), _when(one.changed), one.kept_for) for one in found]
        print_table(("kind", "what", "size", "written", "in force"), rows)
    else:
        print_table(("kind", "how many", "files", "size", "oldest", "newest", "in force"), _summary(found))


@app.command()
def clean(
    kinds: Annotated[list[str], typer.Argument(metavar="KIND…", help=f"What may go: {', '.join(KINDS)}.")],
    older_than: Annotated[
        str, typer.Option("--older-than", help="Only what was written before: 30d, or a time.")
    ] = "30d",
    keep: Annotated[
        int, typer.Option(min=0, help="Models that are not in force to keep of each scope, to go back to; the newest.")
    ] = 2,
    data_dir: DataDir = DATA,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: AsJson = False,
) -> None:
    """Delete what is old. Models in force stay, whatever their age.

    Example: faultline outputs clean raw clean --older-than 7d --dry-run
    """
    before = parse_since(older_than, "--older-than") / 1_000
    found = [one for one in _spared(_find(kinds, data_dir, load_settings()), keep) if _is_older(one, before)]
    if found and not dry_run and not yes:
        _ask(found)
    for one in [] if dry_run else found:
        one.remove()
    if as_json:
        print_json({"deleted": not dry_run, "outputs": [_document(one) for one in found]})
        return
    if dry_run:
        print_table(("kind", "what", "size", "written"), [_row(one) for one in found])
    done = "would go" if dry_run else "deleted"
    print(f"{len(found):,} outputs {done}, {size(sum(one.bytes for one in found))}")


def _find(kinds: list[str] | None, data_dir: Path, settings: Settings) -> list[Left]:
    registry = open_registry(settings) if settings.registry.url else None
    if kinds and MODELS in kinds and registry is None:
        open_registry(settings)  # says which setting is missing
    return find_left(tuple(dict.fromkeys(kinds or ())), data_dir, registry)


def _spared(found: list[Left], keep: int) -> list[Left]:
    """What may go: not what is in force, nor the newest few other models of each scope."""
    scopes: defaultdict[str, list[Left]] = defaultdict(list)
    for one in found:
        if one.kind == MODELS and not one.kept_for:
            scopes[one.name.rpartition(" ")[0]].append(one)
    newest = {
        id(one)
        for scope in scopes.values()
        for one in sorted(scope, key=lambda one: (-(one.changed or 0.0), one.name))[:keep]
    }
    return [one for one in found if not one.kept_for and id(one) not in newest]


def _is_older(one: Left, before: float) -> bool:
    return one.changed is not None and one.changed < before


def _ask(found: list[Left]) -> None:
    counts = Counter(one.kind for one in found)
    told = ", ".join(f"{count:,} of {kind}" for kind, count in sorted(counts.items()))
    print(f"{told}, {size(sum(one.bytes for one in found))}", file=sys.stderr)
    if not sys.stdin.isatty():
        raise WrongUse("nothing was deleted. Say --yes to delete without being asked, or --dry-run to see what")
    if not typer.confirm("Delete them for good?", err=True):
        raise Failure("nothing was deleted")


def _summary(found: list[Left]) -> list[tuple[object, ...]]:
    rows: list[tuple[object, ...]] = []
    for kind in KINDS:
        mine = [one for one in found if one.kind == kind]
        if mine:
            times = [one.changed for one in mine if one.changed is not None]
            oldest, newest = (_when(min(times)), _when(max(times))) if times else ("", "")
            in_force = sum(bool(one.kept_for) for one in mine)
            counts = (len(mine), sum(one.files for one in mine), size(sum(one.bytes for one in mine)))
            rows.append((kind, *counts, oldest, newest, in_force or ""))
    return rows


def _row(one: Left) -> tuple[object, ...]:
    return one.kind, one.name, size(one.bytes), _when(one.changed)


def _when(seconds: float | None) -> str:
    return "" if seconds is None else format_time(int(seconds * 1_000_000))[:16]


def _document(one: Left) -> dict[str, object]:
    return {
        "kind": one.kind,
        "what": one.name,
        "files": one.files,
        "bytes": one.bytes,
        "written": None if one.changed is None else format_time(int(one.changed * 1_000_000)),
        "in_force": one.kept_for or None,
    }
