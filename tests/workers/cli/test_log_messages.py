"""Log lines become incidents that say which message it is: through mining, training, and every worker's step."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.logs.mining import Miner
from models.logs.templates import save_templates
from models.registry import Aliases, Registry
from models.table import tables_of
from models.train import TrainPolicy, train
from schemas.records import decode
from tests.workers.cli.log_lines import DAY, MONDAY, Trouble, lines
from workers.cli.message_files import messages_of
from workers.cli.offline import Feed, feature_records, vector_blocks
from workers.incidents.stage import build as incidents
from workers.scoring.stage import build as scoring
from workers.settings import Settings, load_settings

HOUR = DAY // 24
LEARNED = 3
REFUSED, HEALTH, NEW = "connection to 10.0.{n}.{n}:{n} refused", "health check ok", "disk {n} is lost"
TROUBLES = (
    Trouble("shop", REFUSED, 2 * HOUR, 2 * HOUR + HOUR // 6, 60.0),
    Trouble("shop", HEALTH, 5 * HOUR, 5 * HOUR + HOUR // 2, 0.0),
    Trouble("cart", NEW, 7 * HOUR, 7 * HOUR + HOUR // 6, 30.0),
)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Templates and models of three days of two services."""
    folder = tmp_path_factory.mktemp("logs")
    week = lines(["shop", "cart"], MONDAY, MONDAY + LEARNED * DAY)
    miner = Miner()
    miner.take(*messages_of(week))
    place = save_templates(miner.freeze(), str(folder))
    found = load_settings(
        {
            "FAULTLINE_WINDOWS__LOG_TEMPLATES": place,
            "FAULTLINE_WINDOWS__ENABLED": "[]",
            "FAULTLINE_REGISTRY__URL": str(folder / "registry"),
        }
    )
    registry = Registry(found.registry.url)
    (table,) = tables_of(vector_blocks([week], found))
    bundle = train(table, policy=TrainPolicy())
    registry.save(bundle.manifest, bundle.files)
    registry.promote("logs", "global", Aliases(bundle.version))
    return found


@pytest.fixture(scope="module")
def told(settings: Settings) -> list[dict[str, Any]]:
    """The incident events of a day with three troubles."""
    start = MONDAY + LEARNED * DAY
    troubles = [Trouble(t.entity, t.text, start + t.start, start + t.end, t.rate) for t in TROUBLES]
    day = lines(["shop", "cart"], start, start + 9 * HOUR, troubles, seed=1)
    scores, lifecycle = Feed(scoring(settings), "features"), Feed(incidents(settings), "scores")
    written = []
    for features in feature_records([day], settings):
        scored = [one for one in scores.take_outputs(features) if one.topic == settings.topics.scores]
        written += [one for one in lifecycle.take_outputs(scored) if one.topic == settings.topics.incidents and one.key]
    return [event for event in decode("IncidentEvent", [one.value for one in written])[0] if event is not None]


def test_models_know_all_that_vectors_of_their_templates_tell(settings: Settings) -> None:
    scores = Feed(scoring(settings), "features")
    for features in feature_records([lines(["shop"], MONDAY, MONDAY + HOUR // 2)], settings):
        scores.take_outputs(features)
    assert scores.counts["champion"] > 0
    assert scores.counts["unknown_metrics"] == scores.counts["fallback"] == 0


def reasons(told: list[dict[str, Any]], trouble: Trouble) -> list[str]:
    """What was said of an entity when an incident opened during its trouble, or soon after."""
    start = MONDAY + LEARNED * DAY + trouble.start
    end = MONDAY + LEARNED * DAY + trouble.end + HOUR // 6
    mine = [event for event in told if event["entity"] == trouble.entity and event["type"] == "CREATE"]
    return [event["reason"] for event in mine if start <= event["time"] <= end]


def test_a_flood_of_one_message_opens_an_incident_that_names_it(told: list[dict[str, Any]]) -> None:
    (reason,) = reasons(told, TROUBLES[0])
    assert reason.startswith('shop says "connection to <*> refused" '), reason
    assert " times in " in reason


def test_a_message_that_stays_away_opens_an_incident_that_names_it(told: list[dict[str, Any]]) -> None:
    (reason,) = reasons(told, TROUBLES[1])
    assert '"health check ok"' in reason
    assert reason.startswith(("shop no longer says", "shop says")), reason


def test_a_new_kind_of_message_opens_an_incident_that_quotes_it(told: list[dict[str, Any]]) -> None:
    (reason,) = reasons(told, TROUBLES[2])
    assert reason.startswith('cart has a new kind of message: "disk <*> is lost", '), reason


def test_nothing_else_opens_an_incident(told: list[dict[str, Any]]) -> None:
    assert len([event for event in told if event["type"] == "CREATE"]) == len(TROUBLES)


def test_vectors_of_other_templates_are_not_judged_by_these_models(settings: Settings, tmp_path: Path) -> None:
    miner = Miner()
    miner.take(["something else entirely"])
    other = save_templates(miner.freeze(), str(tmp_path))
    windows = settings.windows.model_copy(update={"log_templates": other})
    day = lines(["shop"], MONDAY, MONDAY + HOUR // 2)
    scores = Feed(scoring(settings), "features")
    for features in feature_records([day], settings.model_copy(update={"windows": windows})):
        scores.take_outputs(features)
    assert scores.counts["fallback"] == scores.counts["refused_feature_set"] > 0
    assert np.isclose(scores.counts["champion"], 0)
