"""The databases that commands read from."""

from __future__ import annotations

from tests.workers.history.conftest import url

__all__ = ["url"]
