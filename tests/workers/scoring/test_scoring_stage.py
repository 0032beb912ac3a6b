"""The scoring stage: one score per vector, by whom it says, the same whatever the batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from models.features.generic import GENERIC, generic_names
from models.knowledge import BY_NAME, Knowledge, Rule
from models.registry import Aliases, Registry
from models.severity import SeverityCuts
from schemas.columns import Vectors
from schemas.ids import stable_id
from schemas.records import decode, encode
from schemas.vectors import encode_vectors
from tests.contract.stage_contract import (
    Run,
    assert_cuts_do_not_matter,
    assert_rebuild_is_exact,
    assert_restore_is_exact,
    random_cut,
    run,
)
from tests.workers.scoring.vectors import (
    ANOMALIES,
    DRIFT,
    LOG,
    POLICY,
    SCORES,
    promote,
    records,
    stage,
    traffic,
    trained,
)
from workers.runtime.errors import Fatal
from workers.runtime.stage import NO_WATERMARK, Logged
from workers.scoring.policy import Policy
from workers.scoring.stage import ScoringStage

ENTITIES = ("checkout", "päyment/ü", "search")


def _scores(result: Run, topic: str = SCORES) -> list[dict[str, Any]]:
    found, faults = decode("Score", result.values(topic))
    assert not faults
    return [score for score in found if score is not None]


def _run(one: ScoringStage, values: list[bytes], **how: Any) -> Run:
    return run(one, one.start(3, NO_WATERMARK, []), records(values, **how))


@pytest.fixture
def served(tmp_path: Path) -> Path:
    """A registry with a global champion, a challenger beside it, and an own model for one entity."""
    registry = Registry(str(tmp_path))
    promote(registry, trained(), trained(seed=2))
    promote(registry, trained("entity=search", seed=3))
    return tmp_path


def test_batches_do_not_matter(served: Path) -> None:
    values: list[bytes | None] = [*traffic(ENTITIES, 70, silent=[5, 6, 31])]
    values[17], values[40] = b"\xc3\x01garbage", None
    mixed = records(values, headers={9: "faultline-progress"})
    result = assert_cuts_do_not_matter(stage(served), mixed, [1, 7, 64, *(random_cut(len(mixed), s) for s in range(3))])
    assert len(_scores(result)) > len(values)  # challengers, too


@pytest.mark.parametrize("at", [0, 1, 97, 200])
def test_a_state_is_rebuilt_from_the_log_and_restored_from_a_checkpoint(served: Path, at: int) -> None:
    mixed = records([*traffic(ENTITIES, 70)])
    assert_rebuild_is_exact(stage(served), mixed, at)
    if at:
        assert_restore_is_exact(stage(served), mixed, at)


def test_every_vector_gets_one_score_keyed_by_its_entity_in_record_order() -> None:
    values = traffic(ENTITIES, 20)
    result = _run(stage(), values)
    scores = _scores(result)
    assert [score["entity"] for score in scores] == list(ENTITIES) * 20
    ends = [score["window_end"] for score in scores]
    assert ends == sorted(ends)
    keys = [key for _, topic, key, _, _, _ in result.outputs if topic == SCORES]
    assert keys == [score["entity"].encode() for score in scores]
    assert result.counts["processed"] == len(values)
    assert result.counts["fallback"] == len(values)


def test_an_untrained_stage_flags_a_tenfold_latency_with_reasons() -> None:
    anomalies = _scores(_run(stage(), traffic(ENTITIES, 90)), ANOMALIES)
    assert {score["entity"] for score in anomalies} == {"checkout"}
    assert len(anomalies) > 20
    for score in anomalies:
        assert score["anomaly_score"] >= 1.0
        assert score["model"]["role"] == "fallback"
        assert score["severity"] in ("low", "medium", "high", "critical")
    last = anomalies[-1]
    assert last["contributions"][0]["metric"] == "latency_p50_ms_1m"
    assert last["contributions"][0]["direction"] == "up"
    assert sum(one["share"] for one in last["contributions"]) == pytest.approx(1.0)
    assert last["expected"][0]["metric"] == "latency_p50_ms_1m"
    assert last["expected"][0]["actual"] > last["expected"][0]["high"]


def test_the_topic_of_anomalies_holds_the_same_bytes_as_the_scores(served: Path) -> None:
    result = _run(stage(served), traffic(ENTITIES, 90))
    flagged = [
        value
        for value, score in zip(result.values(SCORES), _scores(result), strict=True)
        if score["is_anomaly"] and score["model"]["role"] != "challenger"
    ]
    assert flagged
    assert result.values(ANOMALIES) == flagged


def test_the_id_says_what_was_scored_by_which_model(served: Path) -> None:
    for score in _scores(_run(stage(served), traffic(ENTITIES, 5))):
        model = score["model"]
        assert score["id"] == stable_id(
            score["entity"], "service", score["window_end"], 0, model["id"], model["version"]
        )


def test_the_most_special_model_scores_and_the_challenger_beside_it(served: Path) -> None:
    own = Registry(str(served)).aliases("service", "entity=search").champion
    shared = Registry(str(served)).aliases("service", "global")
    result = _run(stage(served), traffic(ENTITIES, 10))
    found = {(s["entity"], s["model"]["role"]): s["model"] for s in _scores(result)}
    assert found["search", "champion"]["version"] == own
    assert found["search", "champion"]["scope"] == "entity=search"
    assert found["checkout", "champion"]["version"] == shared.champion
    assert found["checkout", "challenger"]["version"] == shared.challenger
    assert found["checkout", "champion"]["period"] == "all"
    assert result.counts["champion"] == 30
    assert result.counts["challenger"] == 30


def test_a_challengers_anomaly_opens_nothing(tmp_path: Path) -> None:
    registry = Registry(str(tmp_path))
    bundle = trained()
    registry.save(bundle.manifest, bundle.files)
    registry.promote("service", "global", Aliases(None, bundle.version))
    result = _run(stage(tmp_path), traffic(ENTITIES, 90))
    shadow = [s for s in _scores(result) if s["model"]["role"] == "challenger" and s["is_anomaly"]]
    assert shadow
    assert all(s["model"]["role"] == "fallback" for s in _scores(result, ANOMALIES))


@pytest.mark.parametrize("with_models", [False, True])
def test_silence_is_judged_by_one_rule_with_and_without_a_model(served: Path, with_models: bool) -> None:
    result = _run(stage(served if with_models else None), traffic(ENTITIES, 4, silent=[4, 7]))
    silent = [score for score in _scores(result) if score["silent"]]
    assert [(s["regular"], s["anomaly_score"], s["severity"], s["confidence"]) for s in silent] == [
        (True, 2.0, "high", 0.9),
        (False, 1.0, "low", 0.5),
    ]
    assert {s["model"]["id"] for s in silent} == {"silence"}
    assert silent[0]["contributions"] == [
        {"metric": "events_count", "feature": "events_count", "share": 1.0, "direction": "down"}
    ]
    assert result.counts["silent"] == 2


def test_a_bundle_of_another_feature_set_is_refused_counted_and_the_fallback_scores(served: Path) -> None:
    names = generic_names(("queue",))
    rows = np.zeros((2, len(names)))
    ends = np.array([10_000_000, 20_000_000], np.int64)
    nothing, no = np.zeros(2, np.int64), np.zeros(2, np.bool_)
    columns = (nothing, rows, nothing, nothing, nothing, no, no, no)
    at = np.arange(2, dtype=np.int32)
    other = Vectors(at, "service", 1, GENERIC.hash, names, ["a", "b"], ends - 1, ends, *columns)
    result = _run(stage(served), encode_vectors(other))
    assert result.counts["refused_feature_set"] == 2
    assert {s["model"]["role"] for s in _scores(result)} == {"fallback"}


def test_damaged_records_become_dead_letters_and_leave_their_neighbours_alone() -> None:
    values: list[bytes | None] = [*traffic(ENTITIES, 10)]
    whole = _scores(_run(stage(), [*values]))  # type: ignore[list-item]
    values[4], values[5], values[20] = b"\x00", None, values[20][:-3] if values[20] else None
    result = _run(stage(), values)  # type: ignore[arg-type]
    assert [offset for offset, _, _ in result.dead] == [104, 105, 120]
    assert _scores(result) == [score for i, score in enumerate(whole) if i not in (4, 5, 20)]


def test_progress_records_of_others_are_passed_over() -> None:
    values: list[bytes | None] = [*traffic(ENTITIES, 2)]
    values[2] = b"whatever"
    one = stage()
    result = run(one, one.start(3, NO_WATERMARK, []), records(values, headers={2: "faultline-progress"}))
    assert not result.dead
    assert result.counts["skipped_progress"] == 1


def test_severities_are_cut_where_the_settings_say() -> None:
    strict = stage(policy=Policy(SCORES, ANOMALIES, DRIFT, LOG, cuts=SeverityCuts(1.0, 1.0, 1.2)))
    for score in _scores(_run(strict, traffic(ENTITIES, 90)), ANOMALIES):
        assert score["severity"] == ("critical" if score["anomaly_score"] >= 1.2 else "high")


def test_avro_scores_hold_what_json_scores_hold() -> None:
    values = traffic(ENTITIES, 70)
    plain = _scores(_run(stage(), values))
    binary = _scores(_run(stage(policy=Policy(SCORES, ANOMALIES, DRIFT, LOG, form="avro")), values))
    assert repr(binary) == repr(plain)  # NaN equals itself in text


def test_every_setting_that_outputs_depend_on_changes_the_configuration_hash() -> None:
    variants = [
        POLICY,
        Policy("other", ANOMALIES, DRIFT, LOG),
        Policy(SCORES, ANOMALIES, DRIFT, LOG, form="avro"),
        Policy(SCORES, ANOMALIES, DRIFT, LOG, cuts=SeverityCuts(1.1, 2.0, 3.0)),
        Policy(SCORES, ANOMALIES, DRIFT, LOG, groups={"g": "a*"}),
        Policy(SCORES, ANOMALIES, DRIFT, LOG, own_thresholds=False),
        Policy(SCORES, ANOMALIES, DRIFT, LOG, watch_drift=False),
        Policy(SCORES, ANOMALIES, "other", LOG),
    ]
    assert len({stage(policy=policy).config_hash for policy in variants}) == len(variants)


def test_a_model_in_force_that_cannot_be_loaded_stops_the_worker_with_words(served: Path) -> None:
    one = stage(served)
    state = one.start(3, NO_WATERMARK, [])
    values = traffic(ENTITIES, 4)
    logged = _logged(run(one, state, records(values[:6])))
    for place in served.rglob("*.npz"):
        place.write_bytes(b"changed")
    again = stage(served)
    rebuilt = again.start(3, one.watermark(state), logged)
    with pytest.raises(Fatal, match="FAULTLINE_REGISTRY__URL"):
        run(again, rebuilt, records(values[6:], first=106))


def test_a_group_model_serves_the_entities_of_its_pattern(tmp_path: Path) -> None:
    promote(Registry(str(tmp_path)), trained("group=shops"))
    grouped = stage(tmp_path, Policy(SCORES, ANOMALIES, DRIFT, LOG, groups={"shops": "check*"}))
    found = {(s["entity"], s["model"]["scope"]) for s in _scores(_run(grouped, traffic(ENTITIES, 2)))}
    assert found == {("checkout", "group=shops"), ("päyment/ü", "global"), ("search", "global")}


def _logged(result: Run) -> list[Logged]:
    return [Logged(key, value) for _, topic, key, value, _, _ in result.outputs if topic == LOG and key and value]


def test_scores_are_written_as_the_checking_codec_would_write_them(served: Path) -> None:
    values = _run(stage(served), traffic(ENTITIES, 70, silent=[5, 6, 31])).values(SCORES)
    found, _ = decode("Score", values)
    assert [*encode("Score", [score for score in found if score is not None])] == values
    assert {score["silent"] for score in found if score is not None} == {False, True}


def test_scores_are_plain_json_without_nan() -> None:
    for value in _run(stage(), traffic(ENTITIES, 2, silent=[3])).values(SCORES):
        assert value is not None
        assert orjson.loads(value)["profile"] == "service"
        assert b"NaN" not in value


@pytest.mark.parametrize("trained_one", [True, False])
def test_what_is_known_of_a_metric_keeps_it_out_of_score_and_reasons(served: Path, trained_one: bool) -> None:
    values = traffic(ENTITIES, 90)  # the first service's latency rises tenfold
    folder = served if trained_one else None
    slow = [one for one in _scores(_run(stage(folder), values)) if one["entity"] == "checkout" and one["is_anomaly"]]
    assert len(slow) > 20
    if trained_one:
        said = Rule("latency", entity="check*", direction="down")
    else:
        said = Rule("latency", entity="check*", least_events=1_000)
    knowing = Knowledge([*BY_NAME, said])
    told = _scores(_run(stage(folder, replace(POLICY, knowledge=knowing)), values))
    mine = [one for one in told if one["entity"] == "checkout" and one["model"]["role"] != "challenger"]
    assert [one for one in mine[60:] if one["is_anomaly"]] == []
    named = [(why["metric"], why["direction"]) for one in mine[60:] for why in one["contributions"] if why["share"] > 0]
    assert not any("latency" in metric and direction == "up" for metric, direction in named)
    others = [one for one in told if one["entity"] == "search"]
    assert others == [one for one in _scores(_run(stage(folder), values)) if one["entity"] == "search"]


def test_a_service_that_has_just_started_is_not_taken_for_one_that_has_lost_its_traffic(served: Path) -> None:
    begun = [one for one in _scores(_run(stage(served), traffic(ENTITIES, 60))) if one["model"]["role"] == "champion"]
    assert len(begun) == 60 * len(ENTITIES)
    flagged = [one for one in begun if one["is_anomaly"]]
    assert len(flagged) <= 1, "a service of a single slow answer"
    assert [one for one in flagged if one["contributions"][0]["metric"].startswith("events")] == []


def test_knowledge_is_part_of_what_a_checkpoint_was_made_under() -> None:
    changed = replace(POLICY, knowledge=Knowledge([Rule("latency", least=5.0)]))
    assert stage(policy=changed).config_hash != stage().config_hash
