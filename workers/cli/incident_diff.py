"""`faultline incidents diff`: which incidents other rules, or another model, would make of the same time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError

from workers.cli.extras import needing
from workers.cli.failures import Failure, WrongUse
from workers.cli.output import print_json, print_table
from workers.cli.reading import parse_since
from workers.cli.voice import Voice
from workers.settings import IncidentsSettings, Settings, load_settings
from workers.settings_sources import Values, explain, read_yaml

if TYPE_CHECKING:
    from workers.cli.incident_changes import Change
    from workers.cli.incident_replay import Replay
    from workers.cli.incident_scores import Span

_ORDER = ("opens", "disappears", "moves", "merges", "splits")


def diff_incidents(
    data: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Scores: what `backtest --out` wrote, or NDJSON of `scores tail --json`; with --model telemetry, as "
            "for `backtest`. None: the topics."
        ),
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="YAML file with the section `incidents`: the rules that would be in force.")
    ] = None,
    model: Annotated[str, typer.Option(help="A version that would be in force, or as much of it as names one.")] = "",
    since: Annotated[str, typer.Option("--from", help="Windows that end from then on: 2h, 3d, or a time.")] = "",
    until: Annotated[str, typer.Option("--to", help="Windows that end before then.")] = "",
    picture: Annotated[Path | None, typer.Option(help="PNG file: each entity's incidents, then above now.")] = None,
    most: Annotated[int, typer.Option("--limit", min=0, help="How many changes are listed at most.")] = 50,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress: only the result and errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="JSON instead of tables, with every change.")] = False,
) -> None:
    """Replay scores through the rules as they are and as they would be, and list the incidents that differ.

    *Then* is what the settings in force make of it, *now* what --policy and --model would. Two incidents are the same
    trouble where their anomalous times overlap. A page is an opening or a reopening. With --model both sides are
    scored anew from vectors. Nothing is written but the picture, and no worker is told.

    Example: faultline incidents diff --from 7d --policy calmer.yaml --picture diff.png
    """
    if policy is None and not model:
        raise WrongUse("say what would be different: --policy FILE, --model VERSION, or both")
    if picture is not None and (picture.suffix != ".png" or not picture.absolute().parent.is_dir()):
        raise WrongUse(f"--picture {picture}: name a .png file in a folder that exists")
    settings, voice = load_settings(), Voice.of(quiet, as_json)
    rules = settings.incidents if policy is None else rules_of(policy, settings.incidents)
    from workers.cli.incident_changes import changes, summary
    from workers.cli.incident_replay import Replay
    from workers.cli.incident_scores import Span

    start, end = (parse_since(text, name) * 1_000 if text else None for text, name in _options(since, until))
    span = Span(start, end)
    sides = Replay(settings, settings.incidents), Replay(settings, rules)
    with needing("faultline incidents diff", "train"):
        _replay(data or [], settings, span, sides, model, voice)
    if not span.scores:
        raise Failure("no score lies in that time: nothing was replayed")
    found = changes(sides[0].lives, sides[1].lives)
    if picture is not None:
        _draw(found, span, picture)
    if as_json:
        print_json({"scores": span.scores, **summary(found), "changes": [one.document() for one in found]})
    else:
        _print(found, span, most, picture)


def _options(since: str, until: str) -> tuple[tuple[str, str], ...]:
    return (since, "--from"), (until, "--to")


def rules_of(file: Path, current: IncidentsSettings) -> IncidentsSettings:
    """The rules in force with what the file says otherwise. Raises `WrongUse`, naming what is wrong in it."""
    values = Values()
    read_yaml(Settings, file, values)
    problems = list(values.problems)
    others = sorted(set(values.tree) - {"incidents"})
    if not problems and (others or not values.tree):
        said = f"{', '.join(others)} cannot be replayed" if others else "it says nothing"
        problems.append(f"{file}: {said}; give the section incidents, such as `incidents: {{open_windows: 4}}`")
    try:
        rules = IncidentsSettings.model_validate({**current.model_dump(), **values.tree.get("incidents", {})})
    except ValidationError as error:
        problems += explain(error, values)
    if problems:
        raise WrongUse("\n".join(problems))
    return rules


def _replay(
    data: Sequence[Path], settings: Settings, span: Span, sides: Sequence[Replay], model: str, voice: Voice
) -> None:
    from workers.cli.incident_scores import from_files, from_topic, scored_anew
    from workers.cli.promoting import open_registry
    from workers.cli.versions import find
    from workers.runtime.logs import configure

    configure("warning", settings.log.format)
    if model:
        scored_anew(data, settings, span, sides, find(open_registry(settings), model), voice)
    elif data:
        from_files(data, span, sides)
    else:
        from_topic(settings, span, sides)


def _print(found: Sequence[Change], span: Span, most: int, picture: Path | None) -> None:
    from workers.cli.incident_changes import SAME, summary
    from workers.cli.tailing import shown_time

    told = summary(found)
    print(f"{span.scores:,} scores, {shown_time(span.first)} to {shown_time(span.last)}")
    print_table(
        ("", "incidents", "pages"),
        [("then", told["incidents_then"], told["pages_then"]), ("now", told["incidents_now"], told["pages_now"])],
    )
    print("\n" + finding(found))
    differing = [one for one in found if one.kind != SAME]
    if not differing:
        return
    shown = sorted(differing, key=lambda one: (_ORDER.index(one.kind), -one.life.rank, one.life.opened_at))[:most]
    print_table(
        ("change", "entity", "opened then", "opened now", "severity", "pages", "how, and why"),
        [
            (
                one.kind,
                one.life.entity,
                shown_time(one.then.opened_at) if one.then else "",
                shown_time(one.now.opened_at) if one.now else "",
                one.life.severity,
                f"{one.pages:+d}" if one.pages else "",
                one.how() or one.life.reason,
            )
            for one in shown
        ],
        title="" if len(shown) == len(differing) else f"{len(shown):,} of {len(differing):,}; --json has all",
    )
    if picture is not None:
        print(f"\n{picture}")


def finding(found: Sequence[Change]) -> str:
    """What it comes to, in a sentence."""
    from workers.cli.incident_changes import SAME, summary

    told = summary(found)
    if all(one.kind == SAME for one in found):
        return f"nothing changes: {told['incidents_then']:,} incidents, {told['pages_then']:,} pages"
    words = ", ".join(f"{told[kind]:,} {kind if told[kind] == 1 else _PLURAL[kind]}" for kind in _ORDER if told[kind])
    pages = told["pages_now"] - told["pages_then"]
    said = "as many pages" if not pages else f"{abs(pages):,} {'page' if abs(pages) == 1 else 'pages'} "
    said += "" if not pages else "added" if pages > 0 else "saved"
    return f"{words}, {told[SAME]:,} stay; {said} ({told['pages_then']:,} then, {told['pages_now']:,} now)"


_PLURAL = {"opens": "open", "disappears": "disappear", "moves": "move", "merges": "merge", "splits": "split"}


def _draw(found: Sequence[Change], span: Span, picture: Path) -> None:
    with needing("--picture", "train"):
        from models.evaluation.pictures.lives import Bar, draw_lives
        from models.evaluation.pictures.style import DPI
    bars: dict[tuple[bool, str], Bar] = {}
    start, end = span.first or 0, span.last or 0
    for one in found:
        for now, life in ((False, one.then), (True, one.now)):
            mine = one.kind not in ("merges", "splits") or now == (one.kind == "splits")
            if life is None:
                continue
            key = now, life.incident_id
            if mine or key not in bars:
                until = end if life.resolved_at is None else life.resolved_at
                bars[key] = Bar(life.entity, now, life.began_at, until, life.rank, one.kind)
    headline = finding(found)
    draw_lives(list(bars.values()), start, end, headline[:1].upper() + headline[1:]).savefig(picture, dpi=DPI)
