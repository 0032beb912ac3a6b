"""`faultline compile`: every worker gets something to run on."""

from __future__ import annotations

import pytest

from workers.cli.compile import compile_all
from workers.settings import load_settings


@pytest.mark.slow
def test_made_up_telemetry_passes_every_worker() -> None:
    done = compile_all(load_settings({}))
    assert list(done) == ["intake", "windows", "scoring, untrained", "scoring, trained", "incidents"]
    assert all(one.records > 100 for one in done.values()), done
    assert done["intake"].records == done["intake"].outputs
    assert done["scoring, trained"].outputs >= done["scoring, trained"].records
