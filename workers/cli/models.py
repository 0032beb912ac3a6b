"""`faultline models`: what the registry holds, and what of it is in force."""

from __future__ import annotations

import math
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from models.manifest import BundleError, PeriodEntry, Validation
from models.registry import Aliases, Damaged, Entry, Registry, RegistryError
from schemas.times import format_time
from workers.cli.extras import needing
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.cli.promoting import open_registry, private_key, promote
from workers.cli.usable import passed_over
from workers.cli.versions import Place, find, find_two, survey
from workers.cli.voice import Voice
from workers.settings import load_settings

app = typer.Typer(help="List, show, compare and promote models of the registry.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Named = Annotated[str, typer.Argument(help="A version, or as much of it as names one; or champion or challenger.")]
Version = Annotated[str, typer.Argument(help="A version, or as much of its beginning as names one alone.")]


@app.command("list")
def list_models(as_json: AsJson = False) -> None:
    """Every bundle with profile, scope, alias, training range and size.

    Where registry.trusted_keys are set, also by which of them each is signed: one that is by none is refused.
    What nobody can load, by its manifest, has the alias `damaged`; why is said on standard error, and so is which
    versions in force workers pass over, for having learned from other features.

    Example: faultline models list
    """
    settings = load_settings()
    registry = open_registry(settings)
    known = survey(registry)
    lines = [_line(one) if isinstance(one, Entry) else _damaged_line(one) for one in known]
    columns = ["profile", "scope", "version", "alias", "tag", "vectors", "from", "to", "bytes"]
    if registry.trusted:
        columns.append("signed by")
        for one, line in zip(known, lines, strict=True):
            line["signed by"] = _signed_by(registry, one) if isinstance(one, Entry) else []
    for one in known:
        if isinstance(one, Damaged):
            print(f"damaged: {one.reason}", file=sys.stderr)
    in_force = {one.version: one.manifest for one in known if isinstance(one, Entry) and one.alias}
    for version, why in passed_over(settings, in_force).items():
        print(f"passed over: {version}: {why}", file=sys.stderr)
    if as_json:
        print_json([{name.replace(" ", "_"): value for name, value in line.items()} for line in lines])
        return
    rows = [{**line, "signed by": _short(line.get("signed by"))} for line in lines]
    print_table(columns, [tuple(row[column] for column in columns) for row in rows])


@app.command()
def show(version: Version, as_json: AsJson = False) -> None:
    """One bundle: what went in, its periods and members, and how they did on held-out rows.

    Its files are compared with their hashes: where one is damaged, the exit code is 1.

    Example: faultline models show 3f0c
    """
    registry = open_registry(load_settings())
    entry = find(registry, version)
    if as_json:
        signed = dict(_signatures(registry, entry))
        print_json({"version": entry.version, "alias": entry.alias, **asdict(entry.manifest), **signed})
        _check_files(registry, entry)
        return
    facts = [*_line(entry).items(), *_training(entry).items(), *entry.manifest.libraries.items()]
    print_table(("", ""), [*facts, *_signatures(registry, entry)])
    columns = ("period", "members", "rows", "flagged", "score p99")
    rows = [
        (name, " + ".join(p.members), p.rows, _share(_held(p, "flagged_share")), f"{_held(p, 'score_p99'):.2f}")
        for name, p in entry.manifest.periods.items()
    ]
    print_table(columns, rows, title="held out")
    for name, period in entry.manifest.periods.items():
        if period.validation is not None:
            _print_validation(name, period.validation)
    _check_files(registry, entry)


@app.command("promote")
def promote_model(
    version: Version,
    challenger: Annotated[
        bool, typer.Option("--challenger", help="Score beside the champion without opening incidents.")
    ] = False,
    anyway: Annotated[
        bool,
        typer.Option(
            "--anyway", help="Even if it learned from other features than vectors have by the settings of this machine."
        ),
    ] = False,
) -> None:
    """Put a bundle in force for its profile and scope; running workers switch once it has loaded whole.

    Example: faultline models promote 3f0c --challenger
    """
    settings = load_settings()
    registry = open_registry(settings)
    entry = find(registry, version)
    other = passed_over(settings, {entry.version: entry.manifest})
    if other and not anyway:
        raise Failure(
            f"not promoted: {other[entry.version]}. Or, where workers have other windows settings than this machine, "
            "say --anyway"
        )
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


@app.command()
def keygen(
    file: Annotated[Path, typer.Argument(help="Where to write the private key; it must not be there yet.")],
) -> None:
    """Make a key to sign bundles with, and print its public part for `registry.trusted_keys`.

    Example: faultline models keygen signing.pem
    """
    from models.signing import new_key

    try:
        print(new_key(file))
    except FileExistsError as error:
        raise WrongUse(f"{file} is there already, and nobody knows what it signs") from error
    except OSError as error:
        raise WrongUse(f"{file}: {error.strerror}") from error


@app.command("sign")
def sign_model(
    version: Version,
    key: Annotated[Path | None, typer.Option(help="PEM file; default: registry.signing_key of the settings.")] = None,
) -> None:
    """Sign a bundle that is whole: workers that trust the key will load it.

    Example: faultline models sign 3f0c --key signing.pem
    """
    settings = load_settings()
    place = key or (Path(settings.registry.signing_key) if settings.registry.signing_key else None)
    if place is None:
        raise WrongUse("no key: give --key FILE, or set FAULTLINE_REGISTRY__SIGNING_KEY")
    registry = open_registry(settings)
    entry = find(registry, version)
    try:
        registry.sign(entry.profile, entry.scope, entry.version, private_key(place))
    except (BundleError, RegistryError) as error:
        raise Failure(f"not signed: {error}") from error
    print(f"{entry.version} of {entry.profile} {entry.scope} is signed")


@app.command("compare")
def compare_models(
    first: Named,
    second: Named,
    data: Annotated[list[Path], typer.Argument(help="Tables or events, or folders of them, as for `backtest`.")],
    profile: Annotated[str, typer.Option(help="Whose champion or challenger is meant.")] = "",
    scope: Annotated[str, typer.Option(help="Likewise: entity=NAME, group=NAME or global.")] = "",
    save: Annotated[Path | None, typer.Option(help="Parquet file for both scores of each row.")] = None,
    most: Annotated[int, typer.Option("--episodes", min=0, help="How many differing alarms are listed at most.")] = 50,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress: only the result and errors.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="JSON instead of tables, with every differing alarm.")
    ] = False,
) -> None:
    """Score the same data by two versions, as the worker would, and list the alarms that only one of them raises.

    Rows with split=train are not scored. Rows no further apart than an hour are one alarm. Where DATA has labels,
    precision, recall and what else `faultline evaluate` tells of both; scores themselves know nothing of labels.

    Example: faultline models compare champion challenger tables/
    """
    settings = load_settings()
    versions = find_two(open_registry(settings), first, second, Place(profile, scope))
    with needing("faultline models compare", "train"):
        from workers.cli.compare import run
    run(*versions, data, settings, Voice.of(quiet, as_json), most, save)


def _signed_by(registry: Registry, entry: Entry) -> list[str]:
    """The trusted keys that have signed a bundle; of signatures that cannot be read none counts."""
    try:
        return registry.signers(entry.manifest)
    except BundleError:
        return []
    except RegistryError as error:
        raise Failure(str(error)) from error


def _short(keys: object) -> str:
    """Keys for a table: enough of each to tell them apart."""
    if not isinstance(keys, list):
        return ""
    return ", ".join(f"{key[:20]}…" for key in keys) or "unsigned (refused)"


_NOT_TOLD = " (running workers were not told: FAULTLINE_KAFKA__BOOTSTRAP_SERVERS is not set)"


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


def _training(entry: Entry) -> dict[str, object]:
    training, calendar = entry.manifest.training, entry.manifest.calendar
    return {
        "left out": f"{training.trimmed:,} vectors that looked anomalous",
        "entities": training.entities,
        "contamination": training.contamination,
        "stated alarms": f"{training.alpha * training.rows_a_day:.2g} a day and entity",
        "seed": training.seed,
        "time zone": calendar.zone + (f", {len(calendar.holidays)} holidays" if calendar.holidays else ""),
    }


def _check_files(registry: Registry, entry: Entry) -> None:
    """Raises `Failure` where a file of the bundle is not what its manifest names."""
    try:
        registry.open(entry.profile, entry.scope, entry.version).check_files()
    except (BundleError, RegistryError) as error:
        raise Failure(f"{entry.version} is damaged or refused: {error}") from error


def _damaged_line(one: Damaged) -> dict[str, object]:
    known = {"profile": one.profile, "scope": one.scope, "version": one.version, "alias": "damaged"}
    return known | dict.fromkeys(("tag", "vectors", "from", "to", "bytes"))


def _print_validation(period: str, found: Validation) -> None:
    """What labels say of the members, each alone, and of all together."""
    figures = ("average_precision", "roc_auc", "f1", "precision", "recall", "accuracy")
    columns = ("member", "weight", *(name.replace("_", " ") for name in figures))
    rows = [
        (name, f"{one.get('weight', math.nan):.2f}", *(f"{one.get(figure, math.nan):.4f}" for figure in figures))
        for name, one in found.members.items()
    ]
    rows.append(("together", "", *(f"{found.ensemble.get(figure, math.nan):.4f}" for figure in figures)))
    judged = f"{found.rows:,} later rows, {found.anomalous:,} anomalous ones in {found.episodes} episodes"
    print_table(columns, rows, title=f"{period}, by labels: {judged}")


def _signatures(registry: Registry, entry: Entry) -> list[tuple[str, str]]:
    """Who has signed, where anybody has: those trusted, whose signatures hold; else what is not checked."""
    try:
        trusted, said = registry.signers(entry.manifest), registry.signatures(entry.manifest)
    except (BundleError, RegistryError) as error:
        raise Failure(str(error)) from error
    if trusted:
        return [("signed by", ", ".join(trusted))]
    return [("signatures, not checked", ", ".join(said))] if said else []


def _held(period: PeriodEntry, figure: str) -> float:
    return period.held_out.get(figure, math.nan)


def _share(value: float) -> str:
    return f"{100 * value:.3f} %"
