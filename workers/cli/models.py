"""`faultline models`: what the registry holds, and which of it is in force."""

from __future__ import annotations

import getpass
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from models.manifest import Manifest
from models.registry import Aliases, Entry, Registry
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="List, show and promote models of the registry.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]
Profile = Annotated[str, typer.Argument(help="The profile, such as service.")]
Scope = Annotated[str, typer.Argument(help="entity=<name>, group=<name> or global.")]


@app.command("list")
def list_models(
    profile: Annotated[str, typer.Option(help="Only models of this profile.")] = "",
    scope: Annotated[str, typer.Option(help="Only models of this scope.")] = "",
    in_force: Annotated[bool, typer.Option("--in-force", help="Only champions and challengers.")] = False,
    as_json: Json = False,
) -> None:
    """Every bundle of the registry: for whom it was made, when, from what, and whether it is in force.

    Example: faultline models list --profile service --in-force
    """
    entries = [
        entry
        for entry in _registry(load_settings()).entries()
        if profile in ("", entry.profile) and scope in ("", entry.scope) and (entry.alias or not in_force)
    ]
    if as_json:
        print_json([_summary(entry) for entry in entries])
        return
    columns = ("profile", "scope", "version", "alias", "tag", "learned from", "to", "rows", "periods")
    print_table(columns, [tuple(_summary(entry).values()) for entry in entries])


@app.command()
def show(
    profile: Profile,
    scope: Scope,
    version: Annotated[str, typer.Argument(help="The version, or its first digits; default: the champion.")] = "",
) -> None:
    """One bundle in full, as JSON: features, training, calibration figures held out, files and their hashes.

    Example: faultline models show service entity=checkout | jq .periods
    """
    registry = _registry(load_settings())
    wanted = _version(registry, profile, scope, version) if version else registry.aliases(profile, scope).champion
    if wanted is None:
        raise Failure(f"{profile} {scope} has no champion. `faultline models list` shows what there is")
    manifest = registry.open(profile, scope, wanted).manifest
    print_json({"version": wanted, **asdict(manifest)})


@app.command()
def promote(
    profile: Profile,
    scope: Scope,
    version: Annotated[str, typer.Argument(help="The version, or its first digits.")] = "",
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Let it score beside the champion instead of replacing it.")
    ] = False,
    retire: Annotated[
        bool, typer.Option("--retire", help="Take the champion (or the challenger) out of force; give no version.")
    ] = False,
    registry_only: Annotated[
        bool, typer.Option("--registry-only", help="Do not tell running workers; new installations start with it.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check everything and change nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Put a version in force. Its files are checked first; running workers switch between two commits.

    Example: faultline models promote service entity=checkout 3f9a --challenger
    """
    if bool(version) == retire:
        raise WrongUse("give either a version or --retire")
    settings = load_settings()
    registry = _registry(settings)
    before = registry.aliases(profile, scope)
    chosen = None if retire else _version(registry, profile, scope, version)
    after = _after(before, chosen, challenger=challenger)
    if chosen is not None:
        registry.open(profile, scope, chosen).verify()
    if not dry_run:
        _put_in_force(settings, registry, (profile, scope), after, tell=not registry_only)
    if as_json:
        print_json({"before": asdict(before), "after": asdict(after), "dry_run": dry_run})
    else:
        rows = [(name, getattr(before, name), getattr(after, name)) for name in ("champion", "challenger")]
        print_table(("alias", "was", "would be" if dry_run else "is"), rows)


def _after(before: Aliases, chosen: str | None, *, challenger: bool) -> Aliases:
    """The aliases once `chosen` has its place; a challenger that becomes champion leaves its old one."""
    if not challenger:
        return Aliases(chosen, None if before.challenger == chosen else before.challenger)
    if chosen is not None and chosen == before.champion:
        raise WrongUse(f"{chosen} is the champion: it cannot challenge itself")
    return Aliases(before.champion, chosen)


def _put_in_force(settings: Settings, registry: Registry, name: tuple[str, str], after: Aliases, tell: bool) -> None:
    """The registry first: a worker that hears of a version must find it there."""
    if not tell:
        registry.promote(*name, after)
        return
    from schemas.records import encode
    from workers.cli.clients import connect
    from workers.cli.publishing import publish
    from workers.scoring.controls import control_key, control_record

    connect(settings)  # nothing is changed where the workers could not be told
    registry.promote(*name, after)
    record = control_record(name, after, int(time.time() * 1e6), getpass.getuser())
    publish(settings, settings.topics.control, control_key(name), encode("Control", [record])[0])


def _registry(settings: Settings) -> Registry:
    if not settings.registry.url:
        raise WrongUse("there is no registry: FAULTLINE_REGISTRY__URL is empty")
    return Registry(settings.registry.url)


def _version(registry: Registry, profile: str, scope: str, start: str) -> str:
    """The one version of a profile and scope that begins so."""
    there = [e.version for e in registry.entries() if (e.profile, e.scope) == (profile, scope)]
    found = [version for version in there if version.startswith(start)]
    if len(found) != 1:
        raise WrongUse(f"{len(found)} versions of {profile} {scope} begin with {start}; there are: {', '.join(there)}")
    return found[0]


def _summary(entry: Entry) -> Mapping[str, Any]:
    manifest: Manifest = entry.manifest
    return {
        "profile": entry.profile,
        "scope": entry.scope,
        "version": entry.version,
        "alias": entry.alias,
        "tag": manifest.training.tag,
        "learned_from": _day(manifest.training.start),
        "learned_to": _day(manifest.training.end),
        "rows": manifest.training.rows,
        "periods": len(manifest.periods),
    }


def _day(micros: int) -> str:
    return datetime.fromtimestamp(micros / 1e6, UTC).strftime("%Y-%m-%d")
