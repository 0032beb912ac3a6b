"""`faultline deadletter`: see what could not be processed and why, and send it back once the reason is gone."""

from __future__ import annotations

import base64
import heapq
import sys
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated

import orjson
import typer
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from workers.cli import cluster
from workers.cli.clients import TIMEOUT, connect, reader
from workers.cli.failures import Failure, WrongUse
from workers.cli.letters import Letter, Marks, Selection, parse
from workers.cli.output import console, print_json, print_table
from workers.cli.reading import offsets_at, parse_since, to_end
from workers.settings import Settings, load_settings

app = typer.Typer(no_args_is_help=True, help="List, read and replay records that could not be processed.")

Stage = Annotated[str, typer.Option(help="Only letters of this stage: intake, windows, scoring, incidents.")]
Class = Annotated[str, typer.Option("--class", help="Only letters with this error class, as `list` shows it.")]
Source = Annotated[str, typer.Option("--topic", help="Only letters whose record came from this topic.")]
Since = Annotated[str, typer.Option(help="Only letters since: 10m, 2h, 3d, or a time such as 2026-03-01T00:00Z.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


class Box:
    """The dead-letter topic as it is at one moment: its ends, and what was replayed up to there."""

    def __init__(self, settings: Settings, admin: AdminClient) -> None:
        self._settings, self._admin = settings, admin
        self.topic = settings.topics.deadletter
        self._starts = offsets_at(admin, self.topic, 0)
        self._ends = cluster.ends(admin, self._starts)
        self.marks = Marks()
        for message in to_end(settings, self._starts, self._ends):
            self.marks.take(message)

    def letters(self, selection: Selection) -> Iterator[Letter]:
        """Letters that are meant, replayed or not, by partition in order of death."""
        starts = offsets_at(self._admin, self.topic, selection.since) if selection.since else self._starts
        for message in to_end(self._settings, starts, self._ends):
            letter = parse(message)
            if letter is not None and selection.takes(letter):
                yield letter


@app.command("list")
def list_letters(
    stage: Stage = "",
    error_class: Class = "",
    topic: Source = "",
    since: Since = "",
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many: the last to die.")] = 50,
    as_json: Json = False,
) -> None:
    """The newest dead letters, and how many there are of each stage and error class.

    Example: faultline deadletter list --stage windows --since 2h
    """
    settings = load_settings()
    box = Box(settings, connect(settings))
    newest: list[tuple[int, int, int, Letter]] = []  # a heap: the oldest of those kept on top
    totals: Counter[tuple[str, str, str]] = Counter()
    replayed: Counter[tuple[str, str, str]] = Counter()
    for letter in box.letters(Selection(stage, error_class, topic, parse_since(since))):
        kind = (letter.stage, letter.error_class, letter.source_topic)
        totals[kind] += 1
        replayed[kind] += letter in box.marks
        heapq.heappush(newest, (letter.time, letter.partition, letter.offset, letter))
        if len(newest) > limit:
            heapq.heappop(newest)
    shown = [letter for *_, letter in sorted(newest)]
    kinds = [(*kind, count, replayed[kind]) for kind, count in totals.most_common()]
    if as_json:
        names = ("stage", "error_class", "topic", "letters", "replayed")
        summary = [dict(zip(names, kind, strict=True)) for kind in kinds]
        print_json({"summary": summary, "letters": [_document(letter, box.marks) for letter in shown]})
        return
    print_table(
        ("place", "died", "stage", "class", "from", "bytes", "replayed", "why"),
        [
            (
                letter.place,
                _time(letter),
                letter.stage,
                letter.error_class,
                f"{letter.source_topic} {letter.source_partition}:{letter.source_offset}",
                letter.size,
                "yes" if letter in box.marks else "",
                letter.message[:120],
            )
            for letter in shown
        ],
    )
    print_table(("stage", "class", "from", "letters", "replayed"), kinds, title="\nin all")


@app.command()
def show(
    place: Annotated[str, typer.Argument(help="partition:offset, the first column of `deadletter list`.")],
    raw: Annotated[
        bool, typer.Option("--raw", help="Write the original bytes to standard output, nothing else.")
    ] = False,
    as_json: Json = False,
) -> None:
    """One dead letter in full: where it came from, why it died, its key, headers and content.

    Example: faultline deadletter show 3:1841
    """
    settings = load_settings()
    connect(settings)
    letter = _fetch(settings, *_parse_place(place))
    if raw:
        sys.stdout.buffer.write(letter.value or b"")
    elif as_json:
        print_json({**_document(letter), "value_base64": base64.b64encode(letter.value or b"").decode()})
    else:
        for name, value in _document(letter).items():
            console().print(f"{name:>16}  {value}", markup=False)
        console().print("\n" + render(letter.value), markup=False)


@app.command()
def replay(
    stage: Stage = "",
    error_class: Class = "",
    topic: Source = "",
    since: Since = "",
    to: Annotated[str, typer.Option(help="Send to this topic instead of the one each record came from.")] = "",
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most this many, the oldest first.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="No filter: every letter there is.")] = False,
    again: Annotated[bool, typer.Option("--again", help="Also those that were replayed before.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Count what would be sent and send nothing.")] = False,
    as_json: Json = False,
) -> None:
    """Send records back to where they came from: the original bytes, key and headers, to the same partition.

    Each is sent once: sending and marking are one transaction, so a replay that breaks off, runs twice or runs at
    the same time as another never doubles a record. What is still wrong comes back as a new dead letter. Letters
    that were too large to be kept whole cannot be sent back; how many there are is told.

    Example: faultline deadletter replay --stage intake --class undecodable --dry-run
    """
    selection = Selection(stage, error_class, topic, parse_since(since))
    if selection.everything and not everything:
        raise WrongUse("say which letters: --stage, --class, --topic, --since, or --all for every one of them")
    from workers.cli.replaying import Replay  # the producer's machinery, which only this command needs

    settings = load_settings()
    admin = connect(settings)
    work = Replay(settings, admin, dry_run=dry_run)
    work.prepare()  # first, so that no other replay is still at work when the marks are read
    box = Box(settings, admin)
    cut: list[str] = []
    sent = work.send(_to_send(box, selection, again, cut), to=to, limit=limit)
    if as_json:
        print_json({"dry_run": dry_run, "sent": sum(sent.values()), "topics": dict(sent), "not_whole": cut})
        return
    print_table(("topic", "would be sent" if dry_run else "sent"), sorted(sent.items()) or [("none", 0)])
    if cut:
        console().print(f"\n{len(cut)} not whole, so not sent: {' '.join(cut[:10])}{' …' if len(cut) > 10 else ''}")


def _to_send(box: Box, selection: Selection, again: bool, cut: list[str]) -> Iterator[Letter]:
    """What a replay sends; the places of letters that are not whole go into `cut` instead."""
    for letter in box.letters(selection):
        if letter in box.marks and not again:
            continue
        if letter.cut_from is None:
            yield letter
        else:
            cut.append(letter.place)


def _parse_place(place: str) -> tuple[int, int]:
    partition, colon, offset = place.partition(":")
    if not (colon and partition.isdigit() and offset.isdigit()):
        raise WrongUse(f"{place}: give partition:offset, as `faultline deadletter list` shows it")
    return int(partition), int(offset)


def _fetch(settings: Settings, partition: int, offset: int) -> Letter:
    consumer = reader(settings)
    try:
        consumer.assign([TopicPartition(settings.topics.deadletter, partition, offset)])
        message = consumer.poll(TIMEOUT)
        letter = parse(message) if message is not None and message.error() is None else None
    finally:
        consumer.close()
    if letter is None or letter.offset != offset:
        raise Failure(f"there is no dead letter at {partition}:{offset} (retention may have removed it)")
    return letter


def render(value: bytes | None) -> str:
    """Content for eyes: JSON indented, text as it is, anything else as a hex dump of its first 512 bytes."""
    if value is None:
        return "(no value: a tombstone)"
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        pass
    text = value.decode(errors="replace")
    if text and "\ufffd" not in text and all(character.isprintable() or character in "\r\n\t" for character in text):
        return text
    rows = (value[at : at + 16] for at in range(0, min(len(value), 512), 16))
    dump = [f"{n * 16:08x}  {row.hex(' '):<47}  {_printable(row)}" for n, row in enumerate(rows)]
    return "\n".join([*dump, f"… {len(value)} bytes in all (--raw writes them)"] if len(value) > 512 else dump)


def _printable(row: bytes) -> str:
    return "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)


def _time(letter: Letter) -> str:
    return datetime.fromtimestamp(letter.time / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _document(letter: Letter, marks: Marks | None = None) -> dict[str, object]:
    document: dict[str, object] = {
        "place": letter.place,
        "died": _time(letter),
        "stage": letter.stage,
        "error_class": letter.error_class,
        "error_message": letter.message,
        "topic": letter.source_topic,
        "partition": letter.source_partition,
        "offset": letter.source_offset,
        "key": None if letter.key is None else letter.key.decode(errors="backslashreplace"),
        "headers": {name: (value or b"").decode(errors="backslashreplace") for name, value in letter.headers},
        "bytes": letter.size,
        **({} if letter.cut_from is None else {"cut_from_bytes": letter.cut_from}),
    }
    return document if marks is None else {**document, "replayed": letter in marks}
