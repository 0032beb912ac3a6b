"""The windows stage with the `service` profile, run over a story, and its vectors as rows."""

from __future__ import annotations

from collections.abc import Sequence

from models.features.service import service_set
from schemas.columns import Vectors
from schemas.vectors import decode_vectors
from tests.contract.stage_contract import Run, run
from tests.workers.windows.pane_records import Step, records_of
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import EnginePolicy
from workers.windows.profiles import Profile, shipped
from workers.windows.stage import WindowsStage
from workers.windows.watermark import TimePolicy

FEATURES = "telemetry.features.v1"
SERVICE = shipped()["service"]

Row = dict[str, object]


def stage_of(*profiles: Profile, policy: EnginePolicy | None = None) -> WindowsStage:
    return WindowsStage(profiles or (SERVICE,), policy or EnginePolicy(), TimePolicy(), FEATURES)


def ran(story: Sequence[Step], stage: WindowsStage | None = None) -> Run:
    """One run over a story, from nothing and in one batch."""
    stage = stage or stage_of()
    return run(stage, stage.start(3, NO_WATERMARK, []), records_of(story))


def rows_of(result: Run, entity: str | None = None) -> list[Row]:
    """The vectors of a run (of one entity) in order, as dicts of features and flags."""
    values = [value for value in result.values(FEATURES) if value is not None]
    blocks, faults = decode_vectors(values)
    assert not faults
    numbered = [(int(block.at[i]), _row(block, i)) for block in blocks for i in range(len(block))]
    in_order = [row for _, row in sorted(numbered, key=lambda pair: pair[0])]
    return [row for row in in_order if entity in (None, row["entity"])]


def _row(block: Vectors, i: int) -> Row:
    names = block.names or service_set(block.profile).names
    return {
        **dict(zip(names, block.values[i].tolist(), strict=True)),
        "entity": block.entity[i],
        "window_start": int(block.window_start[i]),
        "window_end": int(block.window_end[i]),
        "silent": bool(block.silent[i]),
        "retired": bool(block.retired[i]),
        "regular": bool(block.regular[i]),
        "late": int(block.late_count[i]),
        "skewed": int(block.skewed_count[i]),
        "event_count": int(block.event_count[i]),
    }
