"""Both databases, for tests that every one of them must pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.postgresql import PostgreSQL


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/history.db"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    return server.new_database()
