"""Documents of a store become the events that intake would make of them, without what its rules take away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pyarrow.parquet as pq

from schemas.events import events_to_dicts
from tests.workers.cli.test_opensearch_steps import QUIET, raw_index
from tests.workers.intake.test_intake_stage import CANONICAL, EVENTS, PLAIN, decoded, letters, outputs
from workers.cli.documents import DocumentReader
from workers.cli.opensearch_cleaning import Cleaner
from workers.cli.opensearch_features import make_features
from workers.cli.opensearch_options import Folders
from workers.intake.messages import NEEDED
from workers.intake.stage import build
from workers.settings import Settings, load_settings

RULES: list[dict[str, str | list[str]]] = [
    {"names": ["host"], "action": "drop"},
    {"values": "[a-z]+@[a-z.]+", "action": "replace", "text": "[mail]"},
]
SAID = "login of ann@example.com from afar, again and again"
LOG = {"@timestamp": PLAIN["timestamp"], "service": "shop", "level": "INFO", "host": "web-7", "message": SAID}


def _settings(**environ: str) -> Settings:
    return load_settings({f"FAULTLINE_{name}": value for name, value in environ.items()})


def _redacting() -> Settings:
    return _settings(INTAKE__REDACT=orjson.dumps(RULES).decode(), INTAKE__MESSAGE_BYTES="12")


def _read(documents: list[Any], settings: Settings) -> list[dict[str, Any]]:
    read = DocumentReader(settings).read([orjson.dumps(one) for one in documents])
    return events_to_dicts(read.events)


def _by_intake(documents: list[Any], settings: Settings) -> list[dict[str, Any]]:
    return decoded(outputs(documents, build(settings, {EVENTS: 3})))


def _same(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without when they were read."""
    return [{name: value for name, value in event.items() if name != "observed_at"} for event in events]


def test_documents_give_the_same_events_by_a_store_and_by_the_raw_topic() -> None:
    documents = [
        LOG,
        {**PLAIN, "host": "web-8", "path": "/of/bob@example.com"},
        {**CANONICAL, "attributes": {"message": SAID, "host": "web-9"}},
        {**LOG, "message": "short"},
    ]
    for settings in (_settings(), _redacting(), _settings(INTAKE__MESSAGE_BYTES="20")):
        assert _same(_read(documents, settings)) == _same(_by_intake(documents, settings))


def test_what_is_refused_by_intake_is_refused_of_a_store_for_the_same_reason() -> None:
    documents = [LOG, {**CANONICAL, "metrics": {"": 1.0}}, {**PLAIN, "service": "x" * 5_000}, {"text": 1}]
    settings = _redacting()
    read = DocumentReader(settings).read([orjson.dumps(one) for one in documents])
    assert {place: why for place, (_, why) in read.faults.items()} == letters(documents, build(settings, {EVENTS: 3}))
    assert read.document.tolist() == [0]


def test_texts_that_rules_take_away_are_in_no_event_of_a_store() -> None:
    (event,) = _read([LOG], _redacting())
    assert event["attributes"]["message"] == "login of"
    assert b"web-7" not in orjson.dumps(event)
    assert b"ann@" not in orjson.dumps(event)


def test_log_texts_are_kept_of_a_store_where_templates_need_them() -> None:
    said = "word " * 1_000
    settings = _settings(WINDOWS__LOG_TEMPLATES="templates.json")
    (event,) = _read([{**LOG, "message": said}], settings)
    assert len(event["attributes"]["message"]) == NEEDED
    assert event == _same(_by_intake([{**LOG, "message": said}], settings))[0]
    assert "message" not in _read([LOG], _settings())[0]["attributes"]


def test_cleaned_files_and_features_hold_nothing_that_was_redacted(tmp_path: Path) -> None:
    folders, settings = Folders(tmp_path), _redacting()
    documents = [{**LOG, "latency_ms": 1.0 + n, "path": f"/{n}/ann@example.com"} for n in range(5)]
    raw_index(folders, "redme", [(f"d{n}", one) for n, one in enumerate(documents)])
    Cleaner(settings, "", True, QUIET).clean(folders.raw / "redme", folders)
    make_features(folders.cleaned("redme"), "redme", folders, settings, QUIET)
    written = [path for path in tmp_path.rglob("*") if path.is_file() and folders.raw not in path.parents]
    assert any(path.name == "redme_metadata.csv" for path in written)
    for path in written:
        held = path.read_bytes() if path.suffix != ".parquet" else _table(path)
        assert b"web-7" not in held, path
        assert b"@example" not in held, path
        assert b"again" not in held, path


def _table(path: Path) -> bytes:
    return repr(pq.read_table(path).to_pydict()).encode()
