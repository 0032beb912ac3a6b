"""Messages by kind in panes and windows: what a slow look at all events gives, whatever the batches and restarts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.features.logs import log_set
from models.logs.names import SAID
from models.logs.templates import Template, Templates
from schemas.vectors import decode_vectors
from tests.contract.stage_contract import (
    Run,
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.workers.windows.pane_events import Event
from tests.workers.windows.pane_records import HOUR, MINUTE, SECOND, START, Step, records_of
from workers.runtime.stage import NO_WATERMARK
from workers.windows.engine import EnginePolicy
from workers.windows.profiles import ProfileError, choose, shipped
from workers.windows.stage import WindowsStage
from workers.windows.ticks import Tick
from workers.windows.watermark import TimePolicy

TOPIC = "telemetry.features.v1"
PANE = 10 * SECOND
WINDOWS = {"": 1, "_1m": 6, "_5m": 30, "_30m": 180}
TEMPLATES = Templates(
    tuple(Template(tuple(text.split()), 1) for text in ("heartbeat ok", "user <*> logged in", "cache cold")), 2, 3
)
HEARTBEAT, LOGIN = TEMPLATES.metrics


def stage_of(policy: EnginePolicy | None = None, templates: Templates | None = TEMPLATES) -> WindowsStage:
    return WindowsStage((shipped()["logs"],), policy or EnginePolicy(), TimePolicy(), TOPIC, templates=templates)


def line(time: int, message: str | None, entity: str = "shop", weight: float = 1.0, level: str = "INFO") -> Event:
    attributes = {"level": level} | ({} if message is None else {"message": message})
    return Event(time, entity, "log", None, attributes, weight, None)


def ran(story: Sequence[Step]) -> Run:
    stage = stage_of()
    return run(stage, stage.start(3, NO_WATERMARK, []), records_of(list(story)))


def rows_of(result: Run) -> list[dict[str, float | str]]:
    """Vectors as they were written, in order."""
    blocks, faults = decode_vectors([value for value in result.values(TOPIC) if value is not None])
    assert not faults
    rows = {
        int(block.at[i]): dict(zip(block.names, block.values[i].tolist(), strict=True))
        | {"entity": block.entity[i], "end": int(block.window_end[i]), "silent": bool(block.silent[i])}
        for block in blocks
        for i in range(len(block))
    }
    return [rows[at] for at in sorted(rows)]


def steps(*events: Event) -> list[Step]:
    return [Step(event.time + SECOND, event) for event in events]


MESSAGES = st.sampled_from(
    [
        "heartbeat ok",
        "heartbeat ok",
        "user bob logged in",
        "user 17 logged in",
        "cache cold",
        "disk 4 is gone",
        "disk 5 is gone",
        "out of memory",
        "\n",
        None,
    ]
)


@st.composite
def stories(draw: st.DrawFn) -> list[Step]:
    """Lines of few services: on time, late, very late, skewed, in bursts, with gaps and ticks."""
    now, told = START, []
    for _ in range(draw(st.integers(5, 60))):
        now += draw(st.sampled_from([0, SECOND, SECOND, 7 * SECOND, 50 * SECOND, 6 * MINUTE, 40 * MINUTE, 3 * HOUR]))
        behind = draw(st.sampled_from([0, 0, 0, 20 * SECOND, 4 * MINUTE, 29 * MINUTE, 2 * HOUR, -400 * SECOND]))
        if draw(st.integers(0, 9)) == 0:
            told.append(Step(now + SECOND, Tick(now, -1, "idle")))
            continue
        entity, weight = draw(st.sampled_from(["a", "b", "é/β"])), draw(st.sampled_from([1.0, 1.0, 3.0]))
        event = line(now - behind, draw(MESSAGES), entity, weight, draw(st.sampled_from(["INFO", "ERROR"])))
        told.append(Step(now + SECOND, event))
    return told


SLOW = settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@SLOW
@given(stories(), st.integers(0, 1 << 30), st.sampled_from([200_000, 2, 1]))
def test_the_outputs_do_not_depend_on_where_batches_are_cut(story: list[Step], seed: int, limit: int) -> None:
    records = records_of(story)
    stage = stage_of(EnginePolicy(max_entities=limit))
    assert_cuts_do_not_matter(stage, records, [1, 7, random_cut(len(records), seed)])


@SLOW
@given(stories(), st.data(), st.sampled_from([200_000, 2]))
def test_a_restored_state_goes_on_as_the_lost_one_would_have(
    story: list[Step], data: st.DataObject, limit: int
) -> None:
    records = records_of(story)
    at = data.draw(st.integers(0, len(records)))
    assert_restore_is_exact(stage_of(EnginePolicy(max_entities=limit)), records, at)


@SLOW
@given(stories(), st.data(), st.sampled_from([200_000, 2]))
def test_a_rebuilt_state_goes_on_as_the_lost_one_would_have(story: list[Step], data: st.DataObject, limit: int) -> None:
    records = records_of(story)
    at = data.draw(st.integers(0, len(records)))
    assert_rebuild_is_exact(stage_of(EnginePolicy(max_entities=limit)), records, at)


@SLOW
@given(st.lists(st.tuples(st.integers(0, 15 * SECOND), MESSAGES, st.sampled_from([1.0, 2.0])), min_size=1, max_size=50))
def test_every_count_is_that_of_a_slow_look_at_all_lines(told: list[tuple[int, str | None, float]]) -> None:
    now, events = START, []
    for gap, message, weight in told:
        now += gap
        events.append(line(now, message, weight=weight))
    lines: dict[str, dict[int, float]] = defaultdict(lambda: defaultdict(float))
    for event in events:
        kind = _kind(event.attributes.get("message"))
        if kind:
            lines[kind][event.time // PANE] += event.weight
            lines["all"][event.time // PANE] += event.weight
    rows = rows_of(ran(steps(*events, line(now + MINUTE, None))))
    assert rows or not lines
    for row in rows:
        last = int(row["end"]) // PANE - 1
        for suffix, panes in WINDOWS.items():
            seen = {kind: sum(of[p] for p in range(last - panes + 1, last + 1)) for kind, of in lines.items()}
            assert row[f"events_count{suffix}"] == seen.get("all", 0.0)
            for kind in (HEARTBEAT, LOGIN, "other messages"):
                assert row[f"{kind}__count{suffix}"] == seen.get(kind, 0.0), (kind, suffix)
            new = [n for kind, n in seen.items() if kind.startswith("new:") and n]
            assert row[f"new messages__count{suffix}"] == sum(new)
            assert row[f"new messages__kinds{suffix}"] == len(new)
        told_of = {name.removeprefix(SAID): n for name, n in row.items() if name.startswith(SAID)}
        five = {kind: sum(of[p] for p in range(last - 29, last + 1)) for kind, of in lines.items()}
        assert told_of == {kind.removeprefix("new:"): n for kind, n in five.items() if kind.startswith("new:") and n}


def _kind(message: str | None) -> str | None:
    """What a message is, by eye; `\\n` has no word and is of no kind, but it is a line."""
    if message is None:
        return None
    known = {"heartbeat ok": HEARTBEAT, "cache cold": "other messages", "\n": "none"}
    new = {"out of memory": "new:out of memory"}
    if message.startswith("user "):
        return LOGIN
    return known.get(message) or new.get(message) or "new:disk <*> is gone"


def test_a_vector_names_the_new_kinds_with_the_most_lines_first_cut_off_at_three() -> None:
    texts = ["alpha came"] * 4 + ["beta came"] * 3 + ["gamma came"] * 2 + ["delta came"]
    events = [line(START + i * SECOND // 2, text) for i, text in enumerate(texts)]
    last = rows_of(ran(steps(*events, line(START + MINUTE, None))))[0]
    told = {name: n for name, n in last.items() if name.startswith(SAID)}
    assert told == {"said__alpha came": 4.0, "said__beta came": 3.0, "said__gamma came": 2.0}


def test_events_without_a_message_are_counted_and_make_no_vector() -> None:
    result = ran(steps(*(line(START + i * MINUTE, None) for i in range(5))))
    assert rows_of(result) == []
    assert result.counts["logs.events"] == result.counts["logs.without_message"] == 5


def test_vectors_of_other_templates_are_of_another_feature_set() -> None:
    other = replace(TEMPLATES, lines=4)
    sets = [log_set(one.metrics, one.hash).hash for one in (TEMPLATES, other)]
    assert sets[0] != sets[1]
    blocks, _ = decode_vectors([v for v in ran(steps(line(START, "x"), line(START + MINUTE, "x"))).values(TOPIC) if v])
    assert {block.feature_set for block in blocks} == {sets[0]}
    assert stage_of().config_hash != stage_of(templates=other).config_hash


def test_the_profile_is_on_where_templates_are_named_and_cannot_be_without_them() -> None:
    assert [one.name for one in choose(shipped(), ["service"], "templates-x.json")] == ["logs", "service"]
    assert [one.name for one in choose(shipped(), ["service"])] == ["service"]
    with pytest.raises(ProfileError, match=r"windows\.log_templates"):
        choose(shipped(), ["logs", "service"])
