"""`faultline models`: what the registry holds, and what of it is in force."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from models.manifest import BundleError
from models.registry import Aliases, Entry, Registry, RegistryError
from schemas.times import format_time
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.cli.promoting import open_registry, promote
from workers.settings import load_settings

app = typer.Typer(help="List, show and promote models of the registry.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Version = Annotated[str, typer.Argument(help="A version, or as much of its beginning as names one alone.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every bundle with profile, scope, alias, training range and size.

    Example: faultline models list
    """
    entries = _entries(open_registry(load_settings()))
    if as_json:
        print_json([_line(entry) for entry in entries])
        return
    columns = ("profile", "scope", "version", "alias", "tag", "vectors", "from", "to", "bytes")
    print_table(columns, [tuple(_line(entry)[column] for column in columns) for entry in entries])


@app.command()
def show(version: Version, as_json: AsJson = False) -> None:
    """One bundle: what went in, its periods and members, and how they did on held-out rows.

    Example: faultline models show 3f0c
    """
    entry = _find(open_registry(load_settings()), version)
    if as_json:
        print_json({"version": entry.version, "alias": entry.alias, **asdict(entry.manifest)})
        return
    print_table(("", ""), [*_line(entry).items(), *entry.manifest.libraries.items()])
    columns = ("period", "members", "rows", "flagged", "score p99")
    rows = [
        (name, " + ".join(p.members), p.rows, _share(p.held_out["flagged_share"]), f"{p.held_out['score_p99']:.2f}")
        for name, p in entry.manifest.periods.items()
    ]
    print_table(columns, rows, title="held out")


@app.command("promote")
def promote_model(
    version: Version,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Score beside the champion without opening incidents.")
    ] = False,
) -> None:
    """Put a bundle in force for its profile and scope; running workers switch once it has loaded whole.

    Example: faultline models promote 3f0c --challenger
    """
    settings = load_settings()
    registry = open_registry(settings)
    entry = _find(registry, version)
    name = (entry.profile, entry.scope)
    now = registry.aliases(*name)
    if challenger:
        if now.champion == entry.version:
            raise WrongUse(f"{entry.version} is the champion already")
        aliases = Aliases(now.champion, entry.version)
    else:
        aliases = Aliases(entry.version, None if now.challenger == entry.version else now.challenger)
    told = promote(settings, registry, name, aliases)
    role = "challenger" if challenger else "champion"
    print(f"{entry.version} is the {role} of {entry.profile} {entry.scope}" + ("" if told else _NOT_TOLD))


_NOT_TOLD = " (running workers were not told: FAULTLINE_KAFKA__BOOTSTRAP_SERVERS is not set)"


def _entries(registry: Registry) -> list[Entry]:
    try:
        return list(registry.entries())
    except (RegistryError, BundleError) as error:
        raise Failure(str(error)) from error


def _find(registry: Registry, version: str) -> Entry:
    found = [entry for entry in _entries(registry) if entry.version.startswith(version)]
    if len({entry.version for entry in found}) != 1:
        what = "no bundle has" if not found else f"{len(found)} bundles have"
        raise WrongUse(f"{what} a version that begins with {version!r}; see `faultline models list`")
    return found[0]


def _line(entry: Entry) -> dict[str, object]:
    training = entry.manifest.training
    return {
        "profile": entry.profile,
        "scope": entry.scope,
        "version": entry.version,
        "alias": entry.alias,
        "tag": training.tag,
        "vectors": training.rows,
        "from": format_time(training.start),
        "to": format_time(training.end),
        "bytes": sum(file.bytes for file in entry.manifest.files.values()),
    }


def _share(value: float) -> str:
    return f"{100 * value:.3f} %"
