"""`faultline templates`: mine a file, show it, try messages on it; refuse what cannot be used."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import orjson

from tests.support.cli import faultline

SAID = ["connection to 10.0.0.1 refused", "connection to 10.0.0.2 refused", "health check ok"]


def test_events_and_text_give_the_same_kinds_in_a_file_named_by_its_hash(tmp_path: Path) -> None:
    text, events = tmp_path / "app.log.gz", tmp_path / "app.ndjson"
    with gzip.open(text, "wt") as file:
        file.write("\n".join(SAID) + "\n\xff\n")
    lines = [
        {"timestamp": 1_772_409_600_000 + i, "entity": "a", "kind": "log", "attributes": {"message": said}}
        for i, said in enumerate(SAID)
    ]
    events.write_bytes(b"\n".join(orjson.dumps(line) for line in lines))
    for data, extra in ((events, 0), (text, 1)):
        done = faultline("templates", "mine", str(data), "--out", str(tmp_path / "out"), "--json", "--quiet")
        assert done.code == 0, done.err
        found = [(one["template"], one["lines"]) for one in done.json["templates"]]
        assert found[:2] == [("connection to <*> refused", 2), ("health check ok", 1)]
        assert len(found) == 2 + extra
        file_ = Path(done.json["file"])
        assert file_.name == f"templates-{hashlib.blake2b(file_.read_bytes(), digest_size=16).hexdigest()}.json"
    shown = faultline("templates", "show", str(file_))
    assert "connection to <*> refused" in shown.out
    tried = faultline("templates", "match", str(file_), "connection to x9 refused", "never said", "--json")
    assert [row["template"] for row in tried.json] == ["connection to <*> refused", None]
    assert tried.json[1]["new_kind"]


def test_wrong_use_and_files_that_cannot_be_used_end_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "empty.log").write_text("\n")
    for arguments, code, words in (
        (("mine",), 2, "give files"),
        (("mine", "none.log"), 2, "no such file"),
        (("mine", str(tmp_path / "empty.log"), "--out", str(tmp_path)), 1, "attribute `message`"),
        (("show", "mine.json"), 1, "templates-<hash>.json"),
    ):
        done = faultline("templates", *arguments)
        assert (done.code, done.err.count("Traceback")) == (code, 0)
        assert words in done.err


def test_a_worker_that_counts_by_templates_that_are_not_there_says_so(tmp_path: Path) -> None:
    missing = str(tmp_path / f"templates-{'0' * 32}.json")
    (tmp_path / "x.ndjson").write_bytes(b'{"timestamp":1,"entity":"a","kind":"log","attributes":{},"metrics":{}}\n')
    done = faultline("train", str(tmp_path / "x.ndjson"), env={"FAULTLINE_WINDOWS__LOG_TEMPLATES": missing})
    assert done.code == 1
    assert "cannot be read" in done.err
    assert "Traceback" not in done.err
