"""Tables from nothing to the newest, once, by whoever comes first; and never by a version that does not know them."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FuturesTimeout
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from workers.history import database, migrating
from workers.history.database import open_engine
from workers.history.migrating import KNOWN, NEWEST, revision_of, upgrade
from workers.history.schema import metadata
from workers.runtime.errors import Fatal


def test_the_scripts_make_exactly_the_tables_that_the_code_speaks_of(url: str) -> None:
    engine = open_engine(url)
    assert upgrade(engine, "here") is None
    with engine.begin() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_second_time_changes_nothing(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine, "here")
    assert upgrade(engine, "here") == NEWEST
    with engine.begin() as connection:
        assert revision_of(connection) == NEWEST
    engine.dispose()


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite's waiting longer than any disk of a loaded machine takes."""
    monkeypatch.setattr(database, "_BUSY_SECONDS", 60.0)


@pytest.mark.usefixtures("patient")
def test_several_workers_that_start_at_once_make_them_once(url: str) -> None:
    def start(_: int) -> str | None:
        engine = open_engine(url)
        before = upgrade(engine, "here")
        engine.dispose()
        return before

    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(start, range(3)))
    assert sorted(found, key=str) == [NEWEST, NEWEST, None]


@pytest.mark.usefixtures("patient")
def test_a_new_file_that_another_is_just_writing_is_waited_for(tmp_path: Path) -> None:
    """SQLite does not wait by itself where the journal of a file is set while another writes to it."""
    file = tmp_path / "history.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE theirs (x)")
    engine = open_engine(f"sqlite:///{file}")
    with ThreadPoolExecutor(1) as pool:
        connecting = pool.submit(engine.connect)
        with pytest.raises(FuturesTimeout):
            connecting.result(0.2)
        other.execute("COMMIT")
        with connecting.result() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
    other.close()
    engine.dispose()


def test_tables_of_a_newer_version_are_left_alone(url: str) -> None:
    engine = open_engine(url)
    upgrade(engine, "here")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Fatal, match="newer Faultline"):
        upgrade(engine, "here")
    engine.dispose()


def test_the_code_knows_every_script_and_which_is_the_last() -> None:
    config = Config()
    config.set_main_option("script_location", str(migrating._SCRIPTS))
    scripts = ScriptDirectory.from_config(config)
    assert scripts.get_current_head() == NEWEST
    assert {script.revision for script in scripts.walk_revisions()} == KNOWN
