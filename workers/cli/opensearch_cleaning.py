"""Raw documents to clean events: types by the mapping, duplicates and bad rows kept aside, and a report of it all.

clean/<tag>_cleaned.parquet       canonical events in time order; `id` is index/_id of the document
clean/<tag>_rejected.ndjson.gz    documents that are no event, or one a second time, each with the reason
artifacts/<tag>_validation.json   what was found in the raw documents and in the events (and the same as text)
"""

from __future__ import annotations

import gzip
import hashlib
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from schemas.columns import Events, Strings
from schemas.faults import INVALID
from workers.cli.documents import DocumentReader, Fault
from workers.cli.failures import Failure
from workers.cli.opensearch_options import Folders, file_name
from workers.cli.opensearch_report import Findings, write_report
from workers.cli.voice import Voice
from workers.settings import Settings
from workers.sources.columns import take
from workers.sources.opensearch.connection import dump
from workers.sources.opensearch.raw import RawIndex, documents, write_whole
from workers.sources.replay.merge import merge, sorted_runs
from workers.sources.save import EventsFile

_BLOCK = 5_000
_OLDEST = 63_072_000_000_000  # 1972-01-01 in microseconds
_AHEAD = 86_400_000_000  # a day: clocks are wrong, but not that wrong

DUPLICATE = "duplicate"


class Cleaner:
    """Cleans one downloaded index. `keep_duplicates`: equal documents under several ids all count."""

    def __init__(self, settings: Settings, mapping: str, keep_duplicates: bool, voice: Voice) -> None:
        self._reader = DocumentReader(settings, mapping)
        self._keep_duplicates, self._voice = keep_duplicates, voice

    def clean(self, raw: Path, folders: Folders, tag: str = "") -> dict[str, Any]:
        """Clean the download in `raw`; the report. Raises `RawError`, and `Failure` where no event is left."""
        index = raw.name
        tag = file_name(tag or index)
        folders.clean.mkdir(parents=True, exist_ok=True)
        folders.artifacts.mkdir(parents=True, exist_ok=True)
        target = folders.cleaned(tag)
        known = RawIndex.load(raw)
        findings = Findings()
        again = _written_again(raw)
        rejected = folders.clean / f"{tag}_rejected.ndjson.gz"
        with (
            tempfile.TemporaryDirectory(dir=folders.clean, prefix=".cleaning-") as scratch,
            gzip.open(Path(scratch) / "rejected", "wb", 4) as aside,
            self._voice.counter(f"cleaning {index}", known.docs if known else None, "documents") as counter,
        ):
            blocks = self._blocks(raw, again, findings, aside, counter.add)
            runs = sorted_runs(blocks, Path(scratch), "run")
            if not runs:
                aside.close()
                (Path(scratch) / "rejected").replace(rejected)
                raise Failure(
                    f"{index}: no document is an event; {rejected} says why of each ({findings.first_reason})"
                )
            with EventsFile(Path(scratch) / "clean.parquet") as file:
                for block in merge(runs):
                    file.write(block)
            aside.close()
            (Path(scratch) / "rejected").replace(rejected)
            (Path(scratch) / "clean.parquet").replace(target)
        report = {
            "dataset": tag,
            "parts": [index],
            "sha256": content_hash(target),
            "cleaned": str(target),
            "rejected_documents": str(rejected),
            **findings.document(),
        }
        write_whole(folders.clean / f"{tag}_cleaned.json", _summary(report))
        write_report(report, folders.artifacts, tag)
        return report

    def _blocks(
        self, raw: Path, again: dict[bytes, int], findings: Findings, aside: gzip.GzipFile, told: Callable[[int], None]
    ) -> Iterator[Events]:
        """Events of good documents; the others go aside."""
        seen: set[bytes] = set()
        found = documents(raw)
        now = time.time_ns() // 1000
        while block := list(islice(found, _BLOCK)):
            for document in block:
                findings.see(document["_source"])
            faults, fresh = self._duplicates(block, seen, again)
            values = [dump(block[at]["_source"]) for at in fresh]
            read = self._reader.read(values)
            faults |= {fresh[at]: fault for at, fault in read.faults.items()}
            faults |= {fresh[at]: fault for at, fault in _impossible(read.events, read.document, now).items()}
            keep = np.flatnonzero(~np.isin(np.array(fresh, np.intp)[read.document], sorted(faults)))
            events = take(read.events, keep)
            owners = [block[fresh[at]] for at in read.document[keep].tolist()]
            for at in sorted(faults):
                findings.reject(*faults[at])
                aside.write(_aside(block[at], faults[at]))
            told(len(block))
            if len(events):
                events = _identified(events, owners)
                findings.keep(events)
                yield events

    def _duplicates(
        self, block: list[dict[str, Any]], seen: set[bytes], again: dict[bytes, int]
    ) -> tuple[dict[int, Fault], list[int]]:
        """Documents that come once more, and the places of the others. Of one written again the newest counts."""
        faults: dict[int, Fault] = {}
        fresh = []
        for at, document in enumerate(block):
            identity = _hash(dump([document["_index"], document["_id"]]))
            if again.get(identity, 1) > 1:
                again[identity] -= 1
                faults[at] = DUPLICATE, "an older version of a document that was written again"
                continue
            content = _hash(dump(document["_source"]))
            if content in seen and not self._keep_duplicates:
                faults[at] = DUPLICATE, "equal to another document in every field"
                continue
            seen.add(content)
            fresh.append(at)
        return faults, fresh


def _written_again(raw: Path) -> dict[bytes, int]:
    """How often each document is there that is there more than once."""
    once: set[bytes] = set()
    again: Counter[bytes] = Counter()
    for document in documents(raw):
        identity = _hash(dump([document["_index"], document["_id"]]))
        if identity in once:
            again[identity] += 1
        once.add(identity)
    return {identity: count + 1 for identity, count in again.items()}


def _impossible(events: Events, document: Any, now: int) -> dict[int, Fault]:
    """Documents whose events cannot be true, by place."""
    faults: dict[int, Fault] = {}
    for row in np.flatnonzero(events.time < _OLDEST).tolist():
        faults[int(document[row])] = INVALID, "the time is before 1972: seconds given as milliseconds?"
    for row in np.flatnonzero(events.time > now + _AHEAD).tolist():
        faults[int(document[row])] = INVALID, "the time is more than a day ahead"
    names = events.metric_name.values
    latency = [code for code, name in enumerate(names) if name == "latency_ms"]
    negative = np.isin(events.metric_name.codes, latency) & (events.metric_value < 0)
    for row in events.metric_row[negative].tolist():
        faults[int(document[row])] = INVALID, "latency_ms is negative"
    return faults


def _identified(events: Events, owners: list[dict[str, Any]]) -> Events:
    """With the document that each event is of: its id, and the index as the source."""
    ids = [f"{owner['_index']}/{owner['_id']}" for owner in owners]
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(one, len(known)) for one in ids], np.int32)
    indices: dict[str, int] = {}
    of = np.array([indices.setdefault(str(owner["_index"]), len(indices)) for owner in owners], np.int32)
    return replace(events, id=Strings(codes, tuple(known)), source=Strings(of, tuple(indices)))


def _aside(document: dict[str, Any], fault: Fault) -> bytes:
    found = {"reason": fault[1], "class": fault[0], "index": document["_index"], "id": document["_id"]}
    return dump({**found, "document": document["_source"]}) + b"\n"


def _hash(value: bytes) -> bytes:
    return hashlib.blake2b(value, digest_size=16).digest()


def content_hash(path: Path) -> str:
    """SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _summary(report: dict[str, Any]) -> bytes:
    """What later steps want to know of a cleaned data set."""
    kept = {name: report[name] for name in ("dataset", "parts", "sha256", "events", "first", "last")}
    return orjson.dumps(kept, option=orjson.OPT_INDENT_2) + b"\n"
