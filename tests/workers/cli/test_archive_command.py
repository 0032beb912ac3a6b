"""`faultline archive` as its users meet it, and what `train` says of an archive."""

from __future__ import annotations

from pathlib import Path

import pytest

from schemas.vectors import encode_vectors
from tests.support.archives import Pod, made_up
from tests.support.cli import faultline
from tests.workers.history.given import lives
from workers.history.database import open_engine
from workers.history.migrating import upgrade
from workers.history.writing import write
from workers.runtime.clock import SystemClock


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


def test_it_is_listed_merged_erased_from_checked_and_expired(env: dict[str, str]) -> None:
    (day,) = faultline("archive", "list", "--json", env=env).json["days"]
    assert (day["profile"], day["day"], day["files"], day["rows"]) == ("generic", "2026-03-01", 10, 400)
    assert faultline("archive", "compact", "--json", env=env).json["made"] == 1
    asked = faultline("archive", "erase", "--entity", "service-1", env=env)
    assert asked.code == 2
    assert "service-1: 100 vectors in 1 files" in asked.err
    assert "nothing was erased. Say --yes" in asked.err
    done = faultline("archive", "erase", "--entity", "service-1", "--yes", "--history", "--json", env=env).json
    assert (done["rows"], done["incidents"] > 0) == (100, True)
    assert "service-1" not in faultline("incidents", "list", "--json", env=env).out
    assert "service-2" in faultline("incidents", "list", "--json", env=env).out
    checked = faultline("archive", "check", "--json", env=env)
    assert (checked.code, checked.json["files"], checked.json["findings"]) == (0, 1, [])
    expired = faultline("archive", "expire", "--older-than", "2026-03-03T00:00Z", "--json", env=env).json
    assert (expired["days"], expired["files"]) == (1, 1)


def test_where_there_is_none_it_says_how_one_begins(tmp_path: Path) -> None:
    done = faultline("archive", "list", "--url", str(tmp_path), env={})
    assert done.code == 1
    assert "there is no archive" in done.err
    assert "faultline worker archive" in done.err
    secret = faultline("archive", "list", "--url", "ftp://me:geheim@localhost:1/x", env={})
    assert secret.code != 0
    assert "geheim" not in secret.err + secret.out


def test_labels_must_come_from_somewhere_else(env: dict[str, str]) -> None:
    done = faultline("train", env["FAULTLINE_ARCHIVE__URL"], "--use-labels", "--quiet", env=env)
    assert done.code == 2
    assert "--periods" in done.err
