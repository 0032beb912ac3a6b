"""`faultline archive` as its users meet it, and what `train` says of an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from schemas.vectors import encode_vectors
from tests.support.archives import Pod, made_up
from tests.support.cli import Finished, faultline_here
from tests.workers.history.given import lives
from workers.history.database import open_engine
from workers.history.migrating import upgrade
from workers.history.writing import write
from workers.runtime.clock import SystemClock

Call = Callable[..., Finished]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    return partial(faultline_here, monkeypatch, capsys)


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An archive of four entities' vectors in ten files, and a history."""
    pod = Pod(str(tmp_path / "archive"), SystemClock(), file_rows=1)
    values = encode_vectors(made_up(400, entities=4))
    for start in range(0, 400, 40):
        pod.feed(values[start : start + 40], start)
        pod.deliver()
    pod.finish()
    url = f"sqlite:///{tmp_path}/history.db"
    engine = open_engine(url)
    upgrade(engine, url)
    with engine.begin() as connection:
        write(connection, [e for who in ("service-1", "service-2") for e in lives("h............", entity=who)], 3)
    engine.dispose()
    return {"FAULTLINE_ARCHIVE__URL": str(tmp_path / "archive"), "FAULTLINE_HISTORY__URL": url}


def test_it_is_listed_merged_erased_from_checked_and_expired(env: dict[str, str], call: Call) -> None:
    (day,) = call("archive", "list", "--json", env=env).json["days"]
    assert (day["profile"], day["day"], day["files"], day["rows"]) == ("generic", "2026-03-01", 10, 400)
    assert call("archive", "compact", "--json", env=env).json["made"] == 1
    asked = call("archive", "erase", "--entity", "service-1", env=env)
    assert asked.code == 2
    assert "service-1: 100 vectors in 1 files" in asked.err
    assert "nothing was erased. Say --yes" in asked.err
    done = call("archive", "erase", "--entity", "service-1", "--yes", "--history", "--json", env=env).json
    assert (done["rows"], done["incidents"] > 0) == (100, True)
    assert "service-1" not in call("incidents", "list", "--json", env=env).out
    assert "service-2" in call("incidents", "list", "--json", env=env).out
    checked = call("archive", "check", "--json", env=env)
    assert (checked.code, checked.json["files"], checked.json["findings"]) == (0, 1, [])
    expired = call("archive", "expire", "--older-than", "2026-03-03T00:00Z", "--json", env=env).json
    assert (expired["days"], expired["files"]) == (1, 1)


def test_parts_of_what_is_erased_are_named_and_go_with_a_flag(tmp_path: Path, call: Call) -> None:
    names = ["web-1", "web-1/eth0", "web-1/eth1", "web-2"]
    pod = Pod(str(tmp_path), SystemClock())
    pod.feed(encode_vectors(replace(made_up(40, entities=4), entity=[names[row % 4] for row in range(40)])), 0)
    pod.finish()
    env = {"FAULTLINE_ARCHIVE__URL": str(tmp_path)}
    asked = call("archive", "erase", "--entity", "web-1", env=env)
    assert "web-1: 10 vectors in 1 files\nalso there: web-1/eth0, web-1/eth1; erase them too by --parts" in asked.err
    told = call("archive", "erase", "--entity", "web-1", "--yes", env=env)
    assert "10 rows of web-1 erased from 1 files" in told.err
    assert "also there: web-1/eth0, web-1/eth1" in told.err
    both = call("archive", "erase", "--entity", "web-1", "--parts", "--yes", "--json", env=env).json
    assert (both["rows"], both["parts"], both["also_there"]) == (20, ["web-1/eth0", "web-1/eth1"], [])
    (day,) = call("archive", "list", "--json", env=env).json["days"]
    assert day["rows"] == 10


def test_where_there_is_none_it_says_how_one_begins(tmp_path: Path, call: Call) -> None:
    done = call("archive", "list", "--url", str(tmp_path), env={})
    assert done.code == 1
    assert "there is no archive" in done.err
    assert "faultline worker archive" in done.err
    secret = call("archive", "list", "--url", "ftp://me:geheim@localhost:1/x", env={})
    assert secret.code != 0
    assert "geheim" not in secret.err + secret.out


def test_labels_must_come_from_somewhere_else(env: dict[str, str], call: Call) -> None:
    done = call("train", env["FAULTLINE_ARCHIVE__URL"], "--use-labels", "--quiet", env=env)
    assert done.code == 2
    assert "--periods" in done.err
