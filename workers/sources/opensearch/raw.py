"""A downloaded index as a folder: gzipped lines of documents, and how far each part of it is.

<folder>/<index>/index.json        the index's identity, its parts, and in the end the server's count
<folder>/<index>/0.0.ndjson.gz     documents of shard 0, part 0: {"_index", "_id", "_source"} a line
<folder>/<index>/0.0.position.json how many documents and bytes of it count, and behind which document it goes on

Lines and not Parquet: documents are of any shape, one field may be text here and a number there, and what was
downloaded must be what was stored. Whole gzip members are appended; what lies behind the bytes that count was being
written when somebody pulled the plug, and is cut off.
"""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import orjson

from workers.sources.opensearch.connection import dump

VERSION = 1
INDEX = "index.json"
_LEVEL = 4  # of gzip: three times as fast as the usual 6 at a twentieth more bytes


class RawError(RuntimeError):
    """The folder is not what a download leaves; the message says what to do."""


@dataclass(frozen=True, slots=True)
class PartPlan:
    """A range of the numbers of one shard's documents (`paging.Order`)."""

    shard: int
    part: int
    first: int | None = None
    beyond: int | None = None

    @property
    def name(self) -> str:
        return f"{self.shard}.{self.part}"


@dataclass(slots=True)
class RawIndex:
    """What is known of a download. `complete` once every document is there; `counted` is what the server said then."""

    index: str
    uuid: str
    parts: list[PartPlan]
    complete: bool = False
    docs: int = 0
    counted: int = 0
    server: str = ""
    version: int = VERSION

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / INDEX, orjson.dumps(asdict(self), option=orjson.OPT_INDENT_2))

    @classmethod
    def load(cls, folder: Path) -> RawIndex | None:
        """None where nothing was begun. Raises RawError."""
        try:
            found = orjson.loads((folder / INDEX).read_bytes())
            parts = [PartPlan(**part) for part in found.pop("parts")]
            raw = cls(parts=parts, **found)
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RawError(f"{folder / INDEX} is damaged; download again with --force-download") from error
        if raw.version != VERSION:
            raise RawError(f"{folder} is of another version of faultline; download again with --force-download")
        return raw


@dataclass(slots=True)
class PartFile:
    """One growing file and its position. `after`: the sort values behind which it goes on."""

    path: Path
    docs: int = 0
    bytes: int = 0
    after: list[Any] | None = None
    done: bool = False
    _position: Path = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._position = self.path.with_name(self.path.name.replace(".ndjson.gz", ".position.json"))

    @classmethod
    def of(cls, folder: Path, plan: PartPlan) -> PartFile:
        """As it was left, cut to what counts. Raises RawError."""
        part = cls(folder / f"{plan.name}.ndjson.gz")
        try:
            found = orjson.loads(part._position.read_bytes())
            part.docs, part.bytes = int(found["docs"]), int(found["bytes"])
            part.after, part.done = found["after"], bool(found["done"])
        except FileNotFoundError:
            pass
        except (ValueError, TypeError, KeyError) as error:
            raise RawError(f"{part._position} is damaged; download again with --force-download") from error
        size = part.path.stat().st_size if part.path.exists() else 0
        if size < part.bytes:
            raise RawError(f"{part.path} lacks {part.bytes - size:,} bytes; download again with --force-download")
        if size > part.bytes:
            os.truncate(part.path, part.bytes)
        return part

    def append(self, hits: Sequence[dict[str, Any]]) -> None:
        """Write a page, then the position behind it."""
        lines = b"".join(dump({name: hit.get(name) for name in ("_index", "_id", "_source")}) + b"\n" for hit in hits)
        member = gzip.compress(lines, _LEVEL, mtime=0)
        with self.path.open("ab") as file:
            file.write(member)
            file.flush()
            os.fsync(file.fileno())
        self.docs, self.bytes, self.after = self.docs + len(hits), self.bytes + len(member), hits[-1]["sort"]
        self._save()

    def finish(self) -> None:
        if not self.path.exists():
            self.path.touch()
        self.done = True
        self._save()

    def _save(self) -> None:
        document = {"docs": self.docs, "bytes": self.bytes, "after": self.after, "done": self.done}
        write_whole(self._position, orjson.dumps(document))


def documents(folder: Path) -> Iterator[dict[str, Any]]:
    """Every document of a complete download. Raises RawError."""
    raw = RawIndex.load(folder)
    if raw is None or not raw.complete:
        raise RawError(f"{folder} is not downloaded to its end; run `faultline opensearch download` again")
    for plan in raw.parts:
        path = folder / f"{plan.name}.ndjson.gz"
        try:
            with gzip.open(path, "rb") as lines:
                for line in lines:
                    yield orjson_or_json(line)
        except (OSError, EOFError, ValueError) as error:
            raise RawError(f"{path} cannot be read ({error}); download again with --force-download") from error


def orjson_or_json(line: bytes) -> dict[str, Any]:
    """A line as it was written, numbers of more than 64 bits included."""
    try:
        found: dict[str, Any] = orjson.loads(line)
    except ValueError:
        import json

        found = json.loads(line)
    return found


def remove(folder: Path) -> None:
    """Forget a download: its own files, and the folder if nothing else is in it."""
    for path in (*folder.glob("*.ndjson.gz"), *folder.glob("*.position.json"), folder / INDEX):
        path.unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        shutil.rmtree(folder)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file: its readers see the old one or the new one."""
    scratch = path.with_name(f".{path.name}.new")
    with scratch.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    scratch.replace(path)
