"""The end of the archive outside Kafka: rows gathered for minutes, then written as files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from models.storage import is_refusal, reason
from workers.archive.blocks import ADDRESS
from workers.archive.expiring import expire
from workers.archive.files import Log
from workers.archive.gathering import Filing, Gathered, gathered
from workers.archive.metrics import ArchiveMetrics
from workers.archive.store import ArchiveError, Store
from workers.runtime.bounded import Bounded, Overrun
from workers.runtime.clock import Clock
from workers.runtime.errors import Fatal
from workers.runtime.records import Output
from workers.settings import ArchiveSettings

log = structlog.get_logger(__name__)

_BUGS = (AssertionError, AttributeError, LookupError, TypeError, ValueError)
"""What no waiting mends; all else that a storage's client raises may be gone a moment later."""

_REFUSED = (PermissionError, NotADirectoryError, FileNotFoundError, ArchiveError)
"""What at the start means a wrong address or missing rights."""

_CORRECT = "Correct FAULTLINE_ARCHIVE__URL"


@dataclass(frozen=True, slots=True)
class DeliveryPolicy:
    """When rows become files, and how patient we are; seconds, rows, bytes.

    Everything held is written when its oldest rows are held for `file_seconds`, when one log has `file_rows`, or all
    of them `buffer_bytes`. `writers` files are written at a time; the storage gets `call_most` for all of them, then
    counts as away and is tried again after a pause that doubles up to `pause_most`.
    """

    url: str
    file_rows: int = 100_000
    file_seconds: float = 120.0
    buffer_bytes: int = 64 << 20
    retention_days: float = 0.0
    most_blocks: int = 10_000
    writers: int = 4
    call_most: float = 60.0
    pause_least: float = 0.2
    pause_most: float = 10.0
    expire_every: float = 3_600.0

    @classmethod
    def of(cls, settings: ArchiveSettings) -> DeliveryPolicy:
        return cls(
            settings.url,
            settings.file_rows,
            settings.file_seconds,
            settings.buffer_bytes,
            settings.retention_days,
        )


def _store(url: str) -> Store:
    try:
        return Store(url)
    except (ArchiveError, OSError) as error:
        raise Fatal(f"the archive cannot be used: {error}", _CORRECT) from error


class ArchiveFiles:
    """`Outside` and `Gathering` of the worker `archive`. Looks at the storage when made: what is plainly wrong ends the
    worker before it takes anything, and a storage that is only away does not.
    """

    address = ADDRESS

    def __init__(
        self,
        policy: DeliveryPolicy,
        topic_ids: Mapping[str, str],
        clock: Clock,
        metrics: ArchiveMetrics,
        reached: Callable[[str], None] = lambda step: None,
    ) -> None:
        """`topic_ids` by topic, empty where the broker has none."""
        self._policy, self._topic_ids, self._clock, self._metrics = policy, topic_ids, clock, metrics
        self._store = _store(policy.url)
        self._filing = Filing(self._store, metrics, reached)
        self._calls = Bounded("archive-storage")
        self._writers = ThreadPoolExecutor(policy.writers, thread_name_prefix="archive-writer")
        self._logs: dict[tuple[str, int], Log] = {}
        self._since: float | None = None
        self._finishing = False
        self._ready = False
        self._away_since: float | None = None
        self._pause, self._not_before = policy.pause_least, 0.0
        self._expired_at = float("-inf")
        self._try(self._begin)

    def deliver(self, outputs: Sequence[Output]) -> Sequence[Output]:
        """Nothing until files are due, then all of it, as far as the storage takes it. Raises Fatal."""
        now = self._clock.monotonic()
        self._since = now if self._since is None else self._since
        size = sum(len(output.value or b"") for output in outputs)
        self._metrics.held(size)
        held = gathered(outputs, self._log_of)
        if not self._due(held, size, now) or now < self._not_before:
            return outputs
        overfull = size >= 1.5 * self._policy.buffer_bytes  # more cannot come before something has gone
        written: set[int] = set()
        self._try(lambda: self._file(held, overfull, written))
        left = [output for output in outputs if id(output) not in written]
        if not left:
            self._since = None
            self._metrics.held(0)
            self._expire()
        return left

    def finish(self) -> None:
        """What is held is due now: no more will come."""
        self._finishing = True
        self._not_before = 0.0

    def close(self) -> None:
        self._calls.close()
        self._writers.shutdown(wait=False, cancel_futures=True)

    # -- what is tried ------------------------------------------------------------------------------------------------

    def _due(self, held: Sequence[Gathered], size: int, now: float) -> bool:
        policy = self._policy
        assert self._since is not None
        return (
            self._finishing
            or now - self._since >= policy.file_seconds
            or size >= policy.buffer_bytes
            or any(mine.rows >= policy.file_rows for mine in held)
            or sum(len(mine.blocks) for mine in held) >= policy.most_blocks
        )

    def _begin(self) -> None:
        if not self._ready:
            self._store.begin()
            self._ready = True

    def _file(self, held: Sequence[Gathered], overfull: bool, written: set[int]) -> None:
        """Write what was gathered of every log, or of none while one waits for more; the outputs done go to `written`.

        All at once, so that one log that waits does not let the others' rows trickle into tiny files.
        """
        self._begin()
        if not overfull and any(self._filing.waits(mine) for mine in held):
            return
        under_way: list[tuple[Gathered, Future[None]]] = [
            (mine, self._writers.submit(self._filing.file, mine)) for mine in held
        ]
        failed: BaseException | None = None
        for mine, future in under_way:
            error = future.exception()
            failed = failed or error
            if error is None:
                written.update(id(output) for output in mine.outputs)
        if failed is not None:
            raise failed

    def _expire(self) -> None:
        """Once an hour, days that are older than the retention go."""
        policy, now = self._policy, self._clock.monotonic()
        if not policy.retention_days or now - self._expired_at < policy.expire_every:
            return
        before = int((self._clock.time() - policy.retention_days * 86_400) * 1e6)

        def step() -> None:
            gone = expire(self._store, before)
            if gone:
                log.info("old days removed from the archive", files=len(gone), days=policy.retention_days)

        if self._try(step):
            self._expired_at = now

    def _log_of(self, topic: str, partition: int) -> Log:
        place = topic, partition
        if place not in self._logs:
            self._logs[place] = Log.of(topic, self._topic_ids.get(topic, ""), partition)
        return self._logs[place]

    # -- how it is tried ----------------------------------------------------------------------------------------------

    def _try(self, work: Callable[[], None]) -> bool:
        """Whether it was done. Doing it twice does no harm. Raises Fatal, and what is a bug."""
        try:
            self._calls.run(work, self._policy.call_most)
        except Overrun as error:
            self._went_away(str(error))
        except (Fatal, *_BUGS):
            raise
        except Exception as error:
            if isinstance(error, ArchiveError):
                raise Fatal(f"the archive cannot be used: {error}", _CORRECT) from error
            if not self._ready and (isinstance(error, _REFUSED) or is_refusal(error)):
                raise Fatal(f"the archive cannot be used: {self._store.shown}: {reason(error)}", _CORRECT) from error
            self._went_away(reason(error))
        else:
            self._came_back()
            return True
        return False

    def _went_away(self, reason: str) -> None:
        now = self._clock.monotonic()
        if self._away_since is None:
            self._away_since, self._pause = now, self._policy.pause_least
            log.warning("the archive's storage takes nothing: rows are held", at=self._store.shown, reason=reason)
        self._not_before = now + self._pause
        self._pause = min(2 * self._pause, self._policy.pause_most)
        self._metrics.away(True)

    def _came_back(self) -> None:
        if self._away_since is not None:
            seconds = round(self._clock.monotonic() - self._away_since, 1)
            log.info("the archive's storage is back", at=self._store.shown, after_seconds=seconds)
        self._away_since, self._not_before = None, 0.0
        self._metrics.away(False)
