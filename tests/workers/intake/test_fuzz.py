"""No input of any wire format stops intake, and every one is accounted for.

`FAULTLINE_TEST_FUZZ=100000` (or `make fuzz`) tries so many inputs a format; `FAULTLINE_TEST_FUZZ_SEED` others.
"""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from schemas.events import decode_events
from tests.support.mutation import mutants
from tests.support.registered import registered
from tests.workers.intake.test_intake_stage import ARRIVED, EVENTS
from workers.intake.formats.registry import BUILDERS
from workers.intake.stage import IntakeStage, build
from workers.runtime.records import Chunk, Output, Records
from workers.runtime.stage import NO_WATERMARK
from workers.settings import load_settings

SAMPLES = Path(__file__).parent / "samples"
INPUTS = int(os.environ.get("FAULTLINE_TEST_FUZZ", "1000"))
SEED = int(os.environ.get("FAULTLINE_TEST_FUZZ_SEED", "1"))
BATCH, ALONE = 500, 5


def samples(name: str) -> list[bytes]:
    """The records of a format: every file in its folder is one."""
    return [path.read_bytes() for path in sorted((SAMPLES / name).glob("*"))]


def stage(name: str) -> IntakeStage:
    """Of one that reads every record as that format; or tells them by their bytes, where there is no name."""
    formats = f'{{"raw": "{name}"}}' if name else "{}"
    environ = {"FAULTLINE_INTAKE__FORMATS": formats, "FAULTLINE_INTAKE__MAX_UNPACKED_BYTES": "1000000"}
    return build(load_settings(environ), {EVENTS: 7}, resolver=registered)


def stepped(one: IntakeStage, values: list[bytes]) -> list[Chunk]:
    n = len(values)
    times = np.full(n, ARRIVED, np.int64)
    records = Records("raw", 4, np.arange(n, dtype=np.int64), times, [None] * n, [*values], [None] * n)
    return list(one.step(one.start(4, NO_WATERMARK, []), records))


def outputs(chunks: list[Chunk]) -> list[Output]:
    return [output for chunk in chunks for output in chunk.outputs]


@pytest.mark.parametrize("name", [*BUILDERS, ""])
@pytest.mark.timeout(3600)
def test_every_input_is_processed_skipped_or_a_dead_letter(name: str) -> None:
    seeds = samples(name) if name else [value for known in BUILDERS for value in samples(known)]
    one, inputs = stage(name), mutants(seeds, INPUTS, SEED)
    while values := list(islice(inputs, BATCH)):
        chunks = stepped(one, values)
        outcomes = [chunk.counts[outcome] for chunk in chunks for outcome in ("processed", "skipped", "dead")]
        assert sum(outcomes) == chunks[-1].done == len(values)
        letters = [letter.index for chunk in chunks for letter in chunk.dead]
        assert letters == sorted(set(letters)), "one letter a record"
        found = outputs(chunks)
        events, faults = decode_events([o.value for o in found], [o.key for o in found])
        assert (len(events), faults) == (len(found), []), "the next worker takes every one of them"
        alone = [output for value in values[:ALONE] for output in outputs(stepped(one, [value]))]
        assert alone == found[: len(alone)], "what a record becomes depends on that record alone"


@pytest.mark.parametrize("name", BUILDERS)
def test_every_format_has_samples_and_reads_them(name: str) -> None:
    found = samples(name)
    assert found, f"put records of the format {name} into {SAMPLES / name}"
    counts = [chunk.counts for chunk in stepped(stage(name), found)]
    assert sum(count["processed"] + count["skipped"] for count in counts) == len(found)
    assert sum(count["events"] for count in counts) > 0
    guessed = [chunk.counts for chunk in stepped(stage(""), found)]
    told = {key.removeprefix("format_") for count in guessed for key in count if key.startswith("format_")}
    assert sum(count["dead"] for count in guessed) == 0
    assert len(told) == 1, "told by its bytes, all of them alike"
    assert name.startswith(told.pop()), "as itself, or as the one that it is a choice of (otlp_metrics: otlp)"
