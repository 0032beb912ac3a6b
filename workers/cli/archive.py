"""`faultline archive`: look into the archive, merge its files, let days go, take an entity out."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Annotated, Any

import typer

from workers.archive import parquet
from workers.archive.checking import FAULTS, WORDS, Finding, check
from workers.archive.compacting import CompactPolicy, compact, plan
from workers.archive.erasing import Found, erase, holding
from workers.archive.erasures import Erasure
from workers.archive.expiring import expirable, expire
from workers.archive.files import KINDS, Wanted, counting
from workers.archive.store import Store
from workers.cli.archive_access import opened
from workers.cli.controlling import author
from workers.cli.failures import Failure, WrongUse
from workers.cli.history_reading import erase_from_history
from workers.cli.output import print_json, print_table
from workers.cli.reading import parse_since
from workers.cli.voice import Voice
from workers.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="Look into the archive, merge its files, let days go, take entities out.")

AsJson = Annotated[bool, typer.Option("--json", help="JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")]
Url = Annotated[str, typer.Option(help="Another archive than FAULTLINE_ARCHIVE__URL: a folder or fsspec URL.")]
Kind = Annotated[str, typer.Option(help="Only vectors, scores or events.")]
Profile = Annotated[str, typer.Option(help="Only this profile.")]
_MOST_TOLD = 20
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done.")]


@app.command("list")
def list_archive(
    kind: Kind = "",
    profile: Profile = "",
    since: Annotated[str, typer.Option(help="Days from then on: 7d, or a time.")] = "",
    until: Annotated[str, typer.Option(help="Days before then.")] = "",
    url: Url = "",
    as_json: AsJson = False,
) -> None:
    """What the archive holds, day by day: files that count, rows, bytes.

    Example: faultline archive list --since 7d
    """
    settings = load_settings()
    wanted = _wanted(kind, profile, _micros(since, "--since"), _micros(until, "--until"))
    with _archive(settings, url) as store:
        days: dict[Any, dict[str, Any]] = {}
        for part in counting(store.files(wanted)):
            folder = part.file.folder
            day = days.setdefault(
                folder, {"kind": folder.kind, "profile": folder.profile, "day": folder.day, "files": 0}
            )
            day["files"] += 1
            day["rows"] = day.get("rows", 0) + parquet.footer(store, part.file).rows
            day["bytes"] = day.get("bytes", 0) + part.file.bytes
        rows = [days[folder] for folder in sorted(days)]
        if as_json:
            print_json({"archive": store.shown, "days": rows})
            return
        print_table(("kind", "profile", "day", "files", "rows", "bytes"), [list(row.values()) for row in rows])


@app.command("check")
def check_archive(
    kind: Kind = "", profile: Profile = "", url: Url = "", quiet: Quiet = False, as_json: AsJson = False
) -> None:
    """Read every file and say what is not as it should be. Exit code 1 where rows are damaged.

    Example: faultline archive check
    """
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    wanted = _wanted(kind, profile)
    with _archive(settings, url) as store, voice.counter("checking", None, "files") as counter:
        findings: list[Finding] = []
        looked = 0
        for one in check(store, wanted):
            if isinstance(one, Finding):
                findings.append(one)
            else:
                looked += 1
                counter.add(1, one.folder.day)
        shown = store.shown
    if as_json:
        told = [{"kind": one.kind, "path": one.path, "detail": one.detail} for one in findings]
        print_json({"archive": shown, "files": looked, "findings": told})
    elif findings:
        print_table(("file", "finding", ""), [(one.path, WORDS[one.kind], one.detail) for one in findings])
    else:
        voice.say(f"{looked:,} files in {shown}, all as they should be")
    if any(one.kind in FAULTS for one in findings):
        raise typer.Exit(1)


@app.command("compact")
def compact_archive(
    kind: Kind = "",
    profile: Profile = "",
    after: Annotated[str, typer.Option(help="Only days that were over so long ago.")] = "2h",
    rows: Annotated[int, typer.Option(min=1, help="The most rows of a file that is made.")] = 1_000_000,
    url: Url = "",
    dry_run: DryRun = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Merge the small files of days that are over, and remove what interrupted runs have left.

    Workers may write, and `train` may read, meanwhile: each row counts once at every moment.

    Example: faultline archive compact
    """
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    policy = CompactPolicy(parse_since(after, "--after") * 1_000, rows)
    wanted = _wanted(kind, profile)
    with _archive(settings, url) as store:
        if dry_run:
            batches = plan(store, policy, wanted)
            document: dict[str, object] = {"files": sum(map(len, batches)), "into": len(batches)}
            voice.report(f"{document['files']:,} files would become {document['into']:,}", document)
            return
        try:
            with voice.counter("merging", None, "files") as counter:
                for done in compact(store, policy, wanted):
                    counter.add(done.merged - counter.done)
        except FileNotFoundError as error:
            raise Failure(f"a file vanished: is another compaction at work? Nothing is lost ({error})") from error
    voice.report(
        f"{done.merged:,} files became {done.made:,}",
        {"merged": done.merged, "made": done.made, "removed": done.removed},
    )


@app.command("expire")
def expire_archive(
    older_than: Annotated[str, typer.Option("--older-than", help="Days that were over so long ago: 90d, or a time.")],
    kind: Kind = "",
    profile: Profile = "",
    url: Url = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Remove whole days, by event time.

    Example: faultline archive expire --older-than 90d
    """
    settings, voice = load_settings(), Voice.of(False, as_json)
    before = parse_since(older_than, "--older-than") * 1_000
    if before > time.time() * 1e6:
        raise WrongUse("--older-than lies ahead: it would remove everything")
    wanted = _wanted(kind, profile)
    with _archive(settings, url) as store:
        gone = expirable(store, before, wanted) if dry_run else expire(store, before, wanted)
    days = len({file.folder for file in gone})
    said = "would be removed" if dry_run else "removed"
    document: dict[str, object] = {"days": days, "files": len(gone), "removed": not dry_run}
    voice.report(f"{len(gone):,} files of {days:,} days {said}", document)


@app.command("erase")
def erase_entity(
    entity: Annotated[str, typer.Option(help="Whose rows: the whole name.")],
    until: Annotated[str, typer.Option(help="Rows of event times before then; default: now.")] = "",
    with_parts: Annotated[
        bool, typer.Option("--parts", help="Also all names below it: web-1/eth0 of web-1, a service's instances.")
    ] = False,
    history: Annotated[bool, typer.Option("--history", help="Its incidents in the history's database, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: Url = "",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Rewrite every file without an entity's rows, for good: what is replayed later does not bring them back.

    Names below it (web-1/eth0 of web-1) are entities of their own: they are told, and go with --parts. What else knows
    of an entity, and how it goes from there, is in docs/archive.md.

    Example: faultline archive erase --entity shop/checkout --yes
    """
    if not entity:
        raise WrongUse("--entity is empty")
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    ends = _micros(until, "--until") or int(time.time() * 1e6)
    names, below = [entity], set[str]()
    with _archive(settings, url) as store:
        if with_parts or not yes:
            with voice.counter("looking", None, "files") as counter:
                found = list(_counted(holding(store, *_erasures(names, ends), parts=below), counter))
            if with_parts and below:
                names += sorted(below)
                below = set()
                if not yes:
                    found = list(filter(None, holding(store, *_erasures(names, ends))))
            if not yes:
                _ask(found, names, below)
        with voice.counter("erasing", None, "files") as counter:
            done = list(_counted(erase(store, *_erasures(names, ends), parts=below), counter))
    incidents = sum(erase_from_history(settings, name, ends) for name in names) if history else None
    rows = sum(one.rows for one in done)
    document: dict[str, object] = {
        "entity": entity,
        "parts": names[1:],
        "rows": rows,
        "files": len(done),
        "incidents": incidents,
        "also_there": sorted(below),
    }
    also = "" if incidents is None else f", and {incidents:,} incidents of the history"
    voice.report(f"{rows:,} rows of {_told(names)} erased from {len(done):,} files{also}", document)
    if below:
        voice.say(_also_there(below))


def _erasures(names: list[str], until: int) -> list[Erasure]:
    return [Erasure(name, until, author()) for name in names]


def _told(names: list[str]) -> str:
    return names[0] + (f" and {len(names) - 1:,} parts of it" if len(names) > 1 else "")


def _also_there(below: set[str]) -> str:
    known = sorted(below)
    more = f" and {len(known) - _MOST_TOLD:,} more" if len(known) > _MOST_TOLD else ""
    return f"also there: {', '.join(known[:_MOST_TOLD])}{more}; erase them too by --parts"


def _counted(found: Iterator[Found | None], counter: Any) -> Iterator[Found]:
    for one in found:
        counter.add(1)
        if one is not None:
            yield one


def _ask(found: list[Found], names: list[str], below: set[str]) -> None:
    rows = Counter[str]()
    for one in found:
        rows[one.file.folder.kind] += one.rows
    told = ", ".join(f"{count:,} {kind}" for kind, count in sorted(rows.items())) or "no rows"
    print(f"{_told(names)}: {told} in {len(found):,} files", file=sys.stderr)
    if below:
        print(_also_there(below), file=sys.stderr)
    if not sys.stdin.isatty():
        raise WrongUse("nothing was erased. Say --yes to erase without being asked")
    if not typer.confirm("Erase them for good?", err=True):
        raise Failure("nothing was erased")


def _wanted(kind: str, profile: str, since: int | None = None, until: int | None = None) -> Wanted:
    if kind and kind not in KINDS:
        raise WrongUse(f"--kind {kind}: choose {', '.join(KINDS)}")
    return Wanted((kind,) if kind else (), profile, since, until)


def _micros(text: str, option: str) -> int | None:
    return parse_since(text, option) * 1_000 if text else None


def _archive(settings: Settings, url: str) -> AbstractContextManager[Store]:
    return opened(url or settings.archive.url)
