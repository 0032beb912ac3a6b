"""The notify worker's step: incident or group events of a partition in, the pages of one target out.

A page leaves as an output whose topic is the target's address outside Kafka; `workers.notify.delivery` takes it there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from schemas.columns import Fault
from schemas.faults import INVALID
from schemas.framing import Resolver
from schemas.ids import stable_id
from schemas.records import decode
from workers.notify.deciding import Life, decide, told
from workers.notify.lives import PartitionState
from workers.notify.notice import SUPPRESS, Notice, impossible_time, of_group, of_incident
from workers.notify.page import Page
from workers.notify.policy import Policy
from workers.notify.silences import Rules
from workers.progress import progress_of
from workers.runtime.records import Chunk, DeadLetter, Output, Records
from workers.runtime.stage import Logged, Part, RebuildPoint

_VERSION = 1
"""Raised when the meaning of state or outputs changes, so that older checkpoints are not taken up."""

_CHUNK_OUTPUTS = 5_000
_RECORDS = {"incidents": ("IncidentEvent", of_incident), "groups": ("GroupEvent", of_group)}


def address(target: str) -> str:
    """Where the pages of a target go, in place of a topic."""
    return f"notify:{target}"


class NotifyStage:
    """`Stage` of one target's worker; see `docs/notify.md` for the rules.

    Counts: `processed`, `skipped_progress`, `skipped_suppressed`, `skipped_seen` (a sequence number that was there),
    `skipped_stale`, `silenced` (would have paged), `dead`, `pages_<action>`.
    """

    state_topic: str | None = None

    def __init__(self, policy: Policy, rules: Rules, resolver: Resolver | None = None) -> None:
        """`rules` are those in force; whoever made them may add to them between two steps."""
        self.name = f"notify-{policy.target}"
        self.config_hash = stable_id(_VERSION, repr(_sorted(policy)))
        self._policy, self._rules, self._resolver = policy, rules, resolver
        self._record, self._notice = _RECORDS[policy.of]
        self._address = address(policy.target)

    def start(self, partition: int, watermark: int, logged: list[Logged]) -> PartitionState:
        return PartitionState(watermark)

    def restore(self, partition: int, parts: Mapping[str, bytes]) -> PartitionState:
        return PartitionState.restore(parts)

    def watermark(self, state: PartitionState) -> int:
        return state.watermark

    def rebuild_point(self, state: PartitionState) -> RebuildPoint | None:
        return state.rebuild_point()

    def parts(self, state: PartitionState) -> Mapping[str, Part]:
        return state.parts()

    def step(self, state: PartitionState, records: Records) -> Iterator[Chunk]:
        events = self._events(records)
        offsets, timestamps = records.offsets.tolist(), records.timestamps.tolist()
        chunk, counts = Chunk(0), _Counts()
        for index, event in enumerate(events):
            if event is None:
                counts.add("skipped_progress")
            elif isinstance(event, Fault):
                counts.add("dead")
                chunk.dead.append(DeadLetter(index, event.error_class, event.message))
            else:
                notice = self._notice(event)
                page = self._take(state, counts, offsets[index], timestamps[index], notice)
                if page is not None:
                    counts.add(f"pages_{page.action}")
                    chunk.outputs.append(Output(self._address, notice.key.encode(), page.encode()))
            if len(chunk.outputs) >= _CHUNK_OUTPUTS:
                chunk.done, chunk.counts = index + 1, counts.taken()
                yield chunk
                chunk = Chunk(0)
        chunk.done, chunk.counts = len(records), counts.taken()
        yield chunk

    def _events(self, records: Records) -> list[dict[str, Any] | Fault | None]:
        """Per record what it says; None of those that only tell of progress."""
        told = [progress_of(key, headers) for key, headers in zip(records.keys, records.headers, strict=True)]
        places = [index for index, passed in enumerate(told) if passed is None]
        values = [records.values[index] for index in places]
        found, faults = decode(self._record, values, resolver=self._resolver)
        events: list[dict[str, Any] | Fault | None] = [None] * len(records)
        for place, event in zip(places, found, strict=True):
            wrong = event and impossible_time(event)
            events[place] = Fault(place, INVALID, f"{wrong} is no time from 1970 to 9999") if wrong else event
        for fault in faults:
            events[places[fault.record]] = fault
        return events

    def _take(self, state: PartitionState, counts: _Counts, offset: int, timestamp: int, notice: Notice) -> Page | None:
        before = state.watermark
        state.pass_time(notice.time)
        if notice.type == SUPPRESS:
            counts.add("skipped_suppressed")
            return None
        life = state.get(notice.key)
        if life is None:
            if notice.over:
                counts.add("processed")  # it began before this worker did, and nobody was told
                return None
            life = state.begin(notice.key, Life(offset, before, notice.opened_at))
        elif notice.sequence <= life.sequence:
            counts.add("skipped_seen")
            return None
        if notice.of == "groups":
            notice = replace(notice, opened_at=life.opened_at, first_anomalous_at=life.opened_at)
        life.sequence = notice.sequence
        page = decide(self._policy, life, notice)
        outcome = "processed"
        if not notice.over:
            if timestamp - notice.time > self._policy.stale_after:
                outcome, page = "skipped_stale", None
            elif page is not None and self._rules.hold(notice):
                outcome, page = "silenced", None
        counts.add(outcome)
        told(self._policy, life, notice, page)
        state.changed(notice.key)
        if notice.type == "CLOSED":
            state.end(notice.key)
        return page


class _Counts:
    """Outcomes since the last chunk."""

    __slots__ = ("_counts",)

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}

    def add(self, outcome: str) -> None:
        self._counts[outcome] = self._counts.get(outcome, 0) + 1

    def taken(self) -> dict[str, int]:
        counts, self._counts = self._counts, {}
        return counts


def _sorted(policy: Policy) -> list[object]:
    """The policy's fields in an order that does not change from one process to the next."""
    fields = [getattr(policy, name) for name in policy.__slots__]
    return [sorted(field) if isinstance(field, frozenset) else field for field in fields]
