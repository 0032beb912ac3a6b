"""Where `train` gets its vectors: files of telemetry, archives of vectors, a topic."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.storage import is_of_storage, reason
from schemas.columns import Vectors
from workers.addresses import without_secrets
from workers.cli.failures import WrongUse
from workers.cli.learning_data import counted, open_tape
from workers.cli.offline import vector_blocks
from workers.cli.voice import Voice
from workers.settings import Settings
from workers.sources.replay.play import Tape


@dataclass(frozen=True, slots=True)
class Span:
    """Vectors whose windows end in [since, until), epoch microseconds; None: no bound."""

    since: int | None = None
    until: int | None = None

    def of(self, blocks: Iterable[Vectors]) -> Iterator[Vectors]:
        """What of the blocks lies in it."""
        for block in blocks:
            keep = np.ones(len(block), np.bool_)
            if self.since is not None:
                keep &= block.window_end >= self.since
            if self.until is not None:
                keep &= block.window_end < self.until
            yield block if keep.all() else _taken(block, np.flatnonzero(keep))


ALWAYS = Span()


@dataclass(frozen=True, slots=True)
class Lesson:
    """What is to be learned from: files of telemetry or archives, or else a topic."""

    files: tuple[Path, ...] = ()
    archives: tuple[str, ...] = ()
    topic: str = ""
    span: Span = ALWAYS

    @classmethod
    def of(cls, data: Sequence[str | Path], topic: str = "", span: Span = ALWAYS) -> Lesson:
        """DATA told apart. Raises `WrongUse` where nothing is given, both are, or a URL is no archive."""
        if bool(data) == bool(topic):
            raise WrongUse("give DATA (files, folders, an archive) or --from-topic, one of both")
        archives = [str(one) for one in data if _is_archive(str(one))]
        files = [Path(one) for one in data if str(one) not in archives]
        far = next((str(one) for one in data if "://" in str(one) and str(one) not in archives), None)
        if far is not None:
            raise WrongUse(
                f"{without_secrets(far)}: no archive is there; telemetry in files must lie in a local folder"
            )
        return cls(tuple(files), tuple(archives), topic, span)

    @property
    def name(self) -> str:
        """What went in, for the bundle's tag."""
        return " ".join([*(path.name for path in self.files), *map(_last, self.archives), *filter(None, [self.topic])])

    def tape(self, voice: Voice, split: str) -> Tape | None:
        """The files, surveyed; None without any. Raises `WrongUse`."""
        return open_tape(list(self.files), voice, split) if self.files else None

    def blocks(self, tape: Tape | None, settings: Settings, voice: Voice) -> Iterator[Vectors]:
        """All vectors, each entity's in order."""
        if tape is not None:
            with counted(tape, voice, "reading") as events:
                yield from self.span.of(vector_blocks(events, settings))
        for url in self.archives:
            yield from self._archived(url, voice)
        if self.topic:
            from workers.cli.topic_data import TopicVectors

            yield from self.span.of(TopicVectors(settings, self.topic, self.span.since, voice).blocks())

    def _archived(self, url: str, voice: Voice) -> Iterator[Vectors]:
        from workers.archive.reading import of_vectors, vectors
        from workers.cli.archive_access import opened

        with opened(url) as store, voice.counter("reading", None, "vectors") as counter:
            for block in vectors(store, of_vectors(self.span.since, self.span.until)):
                yield block
                counter.add(len(block))
        if not counter.done:
            raise WrongUse(f"{store.shown} holds no vectors" + (" of that time" if self.span != ALWAYS else ""))


def _is_archive(place: str) -> bool:
    if "://" not in place and not Path(place).is_dir():
        return False
    if find_spec("pyarrow") is None:
        return False
    from workers.archive.store import Store

    store = Store(place)
    try:
        return store.is_archive()
    except Exception as error:
        if not is_of_storage(error):
            raise
        raise WrongUse(f"{store.shown} cannot be reached: {reason(error)}") from error


def _last(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2]


def _taken(block: Vectors, rows: NDArray[np.intp]) -> Vectors:
    columns = ("at", "window_start", "window_end", "sequence", "values", "event_count", "late_count", "skewed_count")
    kept = {name: getattr(block, name)[rows] for name in (*columns, "silent", "retired", "regular")}
    return replace(block, entity=[block.entity[row] for row in rows.tolist()], **kept)
