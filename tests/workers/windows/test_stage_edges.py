"""The edges of the windows stage: dead letters, bounded chunks, profiles, settings, several profiles at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from schemas.columns import Vectors
from tests.contract.stage_contract import assert_cuts_do_not_matter
from tests.workers.windows.pane_events import Event, table
from tests.workers.windows.pane_records import HOUR, SECOND, START, Raw, Step, live, records_of
from tests.workers.windows.pane_stage import FEATURES, SERVICE, ran, rows_of, stage_of
from workers.progress import TICK_HEADER
from workers.runtime.records import Chunk, DeadLetter, Output
from workers.runtime.stage import NO_WATERMARK
from workers.settings import Settings, WindowsSettings
from workers.windows.demux import rows_of_kinds, take_events
from workers.windows.engine import Emission
from workers.windows.extract import Extractor
from workers.windows.merge import MAX_OUTPUTS, Stream, merge
from workers.windows.profiles import ProfileError, duration_name, load_profiles, parse_duration, shipped
from workers.windows.stage import build
from workers.windows.ticks import Tick

NONE_SKEWED = np.zeros(1000, np.bool_)


def test_garbage_becomes_dead_letters_and_its_neighbours_are_untouched() -> None:
    good = [Event(START + at * SECOND, "shop", latency=5.0) for at in range(0, 60, 2)]
    bad = [
        Raw(None, b"shop"),
        Raw(b"", b"shop"),
        Raw(b"\x00\x01\x02", b"shop"),
        Raw(b'{"entity": "shop"}', b"shop"),
        Raw(b'{"timestamp": "2025-06-15T15:06:40Z", "entity": "shop", "kind": "api"}', b"cart"),
        Raw(b"?", None, [(TICK_HEADER, b"idle")]),
    ]
    story = live(good)
    clean = rows_of(ran(story))
    for place, raw in enumerate(bad):
        story.insert(3 * place + 1, Step(START + 60 * SECOND, raw))
    result = ran(story)
    assert repr(rows_of(result)) == repr(clean), "NaN is not equal to itself"
    assert [offset - 100 for offset, _, _ in result.dead] == [1, 4, 7, 10, 13, 16]
    assert all(error and message for _, error, message in result.dead)
    assert (result.counts["undecodable"], result.counts["ticks_ignored"]) == (5, 1)


def test_a_record_that_closes_very_much_comes_in_bounded_chunks_that_say_where_they_stand() -> None:
    n = 2500
    story = live([Event(START + i * 1000, f"e{i:05}") for i in range(n)])
    story.append(Step(START + 59 * SECOND, Event(START + 59 * SECOND, "last")))
    stage = stage_of()
    state = stage.start(3, NO_WATERMARK, [])
    chunks = list(stage.step(state, records_of(story)))
    assert [len(chunk.outputs) for chunk in chunks] == [MAX_OUTPUTS]
    story.append(Step(START + 118 * SECOND, Event(START + 118 * SECOND, "last")))
    state = stage.start(3, NO_WATERMARK, [])
    chunks = list(stage.step(state, records_of(story)))
    assert [len(chunk.outputs) for chunk in chunks] == [MAX_OUTPUTS, MAX_OUTPUTS, 10 * n + 5 - 2 * MAX_OUTPUTS]
    assert [(chunk.done, chunk.position) for chunk in chunks] == [(n + 1, 0), (n + 1, MAX_OUTPUTS), (n + 2, 0)]


def test_events_feed_every_profile_that_takes_their_kind() -> None:
    slow = SERVICE.model_copy(update={"name": "slow", "pane": 60 * SECOND, "windows": (300 * SECOND, HOUR)})
    story = live([Event(START + at * SECOND, f"e{at % 7}", latency=float(at)) for at in range(0, 900, 3)])
    stage = stage_of(SERVICE, slow)
    result = assert_cuts_do_not_matter(stage, records_of(story), [1, 50])
    rows = rows_of(result)
    wide = [row for row in rows if int(str(row["window_end"])) - int(str(row["window_start"])) == 60 * SECOND]
    assert {"events_count_5m", "events_count_1h"} <= wide[0].keys()
    assert len(wide) == 7 * 14
    assert len(rows) - len(wide) == 7 * 88 - 3, "three first sent something in the second pane"
    assert result.counts["slow.in_panes"] == result.counts["service.in_panes"] == 300


def test_kinds_of_no_profile_are_counted_and_move_time() -> None:
    story = live([Event(START, "shop"), Event(START + 30 * SECOND, "sensor", kind="metric")])
    result = ran(story)
    assert result.counts["events_of_no_profile"] == 1
    assert [row["entity"] for row in rows_of(result)] == ["shop", "shop"]


def test_every_setting_that_outputs_depend_on_changes_the_configuration_hash() -> None:
    base = WindowsSettings(enabled=["service"])
    changed = [
        base.model_copy(update={name: value})
        for name, value in {
            "enabled": ["service", "host"],
            "lateness_ms": 1,
            "max_skew_ms": 1,
            "retire_after_ms": 1,
            "max_entities": 1,
            "idle_timeout_ms": 90_000,
        }.items()
    ]
    hashes = [build(Settings(windows=windows)).config_hash for windows in (base, *changed)]
    assert len(set(hashes)) == len(hashes)
    assert build(Settings(windows=base)).config_hash == hashes[0]


def test_the_vocabulary_of_errors_and_warnings() -> None:
    spellings = [
        ({"level": "error"}, True, False),
        ({"level": "FATAL"}, True, False),
        ({"level": "Critical"}, True, False),
        ({"level": "WARN"}, False, True),
        ({"level": "warning"}, False, True),
        ({"level": "TRACE"}, False, False),
        ({"level": "whatever"}, False, False),
        ({"status_code": "500"}, True, False),
        ({"status_code": "499"}, False, False),
        ({"status_code": "nan"}, False, False),
        ({"status_code": "teapot"}, False, False),
        ({"error": "true"}, True, False),
        ({"error": "False"}, False, False),
        ({"level": "WARN", "status_code": "503"}, True, True),
        ({"other": "error"}, False, False),
    ]
    events = table([Event(START, "a", attributes=attributes) for attributes, _, _ in spellings])
    out = Extractor().events(events, NONE_SKEWED[: len(spellings)], 10 * SECOND)
    assert out["error"].tolist() == [error for _, error, _ in spellings]
    assert out["warning"].tolist() == [warning for _, _, warning in spellings]


def test_what_is_no_latency_is_left_out() -> None:
    latencies = [5.0, -1.0, float("inf"), 1e9, 0.0]
    out = Extractor().events(table([Event(START, "a", latency=x) for x in latencies]), NONE_SKEWED[:5], SECOND)
    assert np.isnan(out["latency"]).tolist() == [False, True, True, True, False]


def test_the_same_path_sets_the_same_bit_in_every_process() -> None:
    events = table([Event(START, "a", attributes={"path": path}) for path in ("/", "/cart", "/", "/pay")])
    bits = [Extractor().events(events, NONE_SKEWED[:4], SECOND)["path"].tolist() for _ in range(2)]
    assert bits[0] == bits[1]
    assert bits[0][0] == bits[0][2]
    assert len(set(bits[0])) == 3


def test_taking_rows_keeps_each_events_own_attributes_and_metrics() -> None:
    events = table(
        [
            Event(START + i, f"e{i}", kind="api" if i % 2 else "host", latency=float(i), attributes={"path": f"/{i}"})
            for i in range(9)
        ]
    )
    rows = rows_of_kinds(events, ["api", "span"])
    taken = take_events(events, rows)
    assert taken.record.tolist() == [1, 3, 5, 7]
    assert [taken.entity.at(i) for i in range(4)] == ["e1", "e3", "e5", "e7"]
    assert taken.metric_row.tolist() == taken.attr_row.tolist() == [0, 1, 2, 3]
    assert taken.metric_value.tolist() == [1.0, 3.0, 5.0, 7.0]
    assert [taken.attr_value.at(i) for i in range(4)] == ["/1", "/3", "/5", "/7"]
    assert take_events(events, rows_of_kinds(events, ["api", "host"])) is events


def emission(at: list[int], logged: list[int]) -> Emission:
    n = len(at)
    zeros, no = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    vectors = Vectors(
        at=np.array(at, np.int32),
        profile="p",
        profile_version=1,
        feature_set="",
        names=(),
        entity=[str(record) for record in at],
        window_start=zeros,
        window_end=zeros,
        sequence=zeros,
        values=np.zeros((n, 0)),
        event_count=zeros,
        late_count=zeros,
        skewed_count=zeros,
        silent=no,
        retired=no,
        regular=no,
    )
    return Emission(vectors, [(record, Output("state", b"L%d" % record, None)) for record in logged], [], {"n": n})


def merged(streams: list[list[Emission]], dead: list[int], records: int) -> list[Chunk]:
    def emissions(given: list[Emission]) -> Iterator[Emission]:
        yield from given

    def encode(vectors: Vectors) -> list[Output]:
        return [Output(FEATURES, entity.encode(), None) for entity in vectors.entity]

    made = [Stream(f"p{i}", emissions(given), encode) for i, given in enumerate(streams)]
    return list(merge(made, [DeadLetter(index, "x", "y") for index in dead], records))


def test_outputs_are_merged_by_record_then_profile_and_logs_follow_vectors() -> None:
    first = [emission([0, 2], [2]), emission([2, 5], []), emission([], [7])]
    second = [emission([1, 2, 5], [0])]
    chunks = merged([first, second], [], 9)
    assert [(output.topic, output.key) for output in chunks[0].outputs] == [
        (FEATURES, b"0"),
        ("state", b"L0"),
        (FEATURES, b"1"),
        (FEATURES, b"2"),
        ("state", b"L2"),
        (FEATURES, b"2"),
        (FEATURES, b"2"),
        (FEATURES, b"5"),
        (FEATURES, b"5"),
        ("state", b"L7"),
    ]
    assert chunks[0].counts == {"p0.n": 4, "p1.n": 3}


def test_a_dead_letter_comes_with_the_chunk_that_passes_its_record() -> None:
    at = [0] * 6000 + [1] * 6000 + [4]
    chunks = merged([[emission(at, [])]], [0, 1, 3, 8], 9)
    assert [(chunk.done, chunk.position) for chunk in chunks] == [(1, 4000), (9, 0)]
    assert [[letter.index for letter in chunk.dead] for chunk in chunks] == [[0], [1, 3, 8]]


def test_a_batch_without_outputs_is_one_finished_chunk() -> None:
    chunks = merged([[]], [2], 5)
    assert [(chunk.done, chunk.position, len(chunk.outputs), len(chunk.dead)) for chunk in chunks] == [(5, 0, 0, 1)]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name: x\ntakes: [api]\nemit: pane\nfeatures: service\npane: 10\nwindows: [1m]", "pane"),
        ("name: x\ntakes: [api]\nemit: pane\nfeatures: service\nwindows: [1m]", "pane: is needed"),
        ("name: x\ntakes: [api]\nemit: pane\nfeatures: service\npane: 7s\nwindows: [1m]", "whole number of panes"),
        ("name: x\ntakes: [api]\nemit: pane\nfeatures: service\npane: 10s\nwindows: [5m, 1m]", "ascending"),
        ("name: x\ntakes: [api]\nemit: pane\nfeatures: host\npane: 10s\nwindows: [1m]", "features"),
        ("name: x\ntakes: [cat]\nemit: pane\nfeatures: service\npane: 10s\nwindows: [1m]", "takes"),
        ("name: X!\ntakes: [api]\nemit: event\nfeatures: event", "name"),
        ("name: x\ntakes: [api]\nemit: event\nfeatures: event\nwindow: [1m]", "window"),
        ("name: x\ntakes: [host]\nemit: sample\nfeatures: host", "samples"),
        ("name: [", "YAML"),
        ("just text", "expected one profile"),
    ],
)
def test_a_profile_that_cannot_be_used_names_file_and_field(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(text)
    with pytest.raises(ProfileError, match=r"mine\.yaml") as error:
        load_profiles([file])
    assert says in str(error.value)


def test_profiles_of_ones_own_stand_beside_the_shipped_ones_or_replace_them(tmp_path: Path) -> None:
    (tmp_path / "two.yaml").write_text(
        "profiles:\n"
        "- {name: wide, takes: [span], emit: pane, features: service, pane: 1m, windows: [1h], cadence: 5m}\n"
        "- {name: service, version: 2, takes: [api], emit: pane, features: service, pane: 10s, windows: [1m]}\n"
    )
    found = load_profiles([tmp_path])
    assert found["wide"].pane == 60 * SECOND
    assert found["wide"].cadence == 300 * SECOND
    settings = WindowsSettings(profiles=str(tmp_path), enabled=["wide", "service"])
    assert build(Settings(windows=settings)).config_hash != build(Settings()).config_hash
    with pytest.raises(ProfileError, match="no profile missing; there are"):
        build(Settings(windows=WindowsSettings(enabled=["missing"])))
    with pytest.raises(ProfileError, match="no such file"):
        build(Settings(windows=WindowsSettings(profiles=str(tmp_path / "nowhere"))))


def test_the_shipped_profiles_are_those_of_the_contract() -> None:
    known = shipped()
    assert sorted(known) == ["event", "generic", "host", "logs", "service"]
    assert known["service"].windows == (60 * SECOND, 300 * SECOND, 1800 * SECOND)
    assert known["logs"].windows == known["service"].windows
    assert WindowsSettings().enabled == ["service", "host", "generic"]


@pytest.mark.parametrize("text", ["250ms", "10s", "5m", "1h", "90s"])
def test_durations_read_back(text: str) -> None:
    assert duration_name(parse_duration(text)) == text


@pytest.mark.parametrize("text", ["", "10", "0s", "-1s", "1.5s", "5 parsecs", None, 3])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        parse_duration(text)


def test_a_tick_is_no_event_whatever_its_value_says() -> None:
    event = records_of(live([Event(START + 3 * SECOND, "shop")])).values[0]
    story = [*live([Event(START, "shop")]), Step(START + 5 * SECOND, Raw(event, None, [(TICK_HEADER, b"idle")]))]
    result = ran([*story, Step(START + 40 * SECOND, Tick(START + 40 * SECOND, -1))])
    assert result.counts["events"] == 1
    assert [letter[0] for letter in result.dead] == [101]
