"""What the demo plays: a week of learning and a day of trouble of the same services, and how the workers are set up."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from workers.demo.judging import Episode
from workers.sources.synthetic.plan import MINUTE, MONDAY, Plan
from workers.sources.synthetic.truth import Truth

PROFILE_NAME = "service"
PROFILE = """\
# Synthetic traffic changes every five minutes, so that is how long a pane of the demo lasts.
name: service
takes: [api, log, span]
emit: pane
features: service
pane: 5m
windows: [5m, 15m, 30m]
"""
PANE = 5 * MINUTE
WORKERS = ("windows", "scoring", "incidents")


@dataclass(frozen=True, slots=True)
class Scene:
    """The demo's data. What is learned and what is played are drawn apart: nothing that is judged was seen before."""

    services: int = 6
    days: int = 7
    seed: int = 7

    @property
    def lesson(self) -> Plan:
        """The days that are learned; all of them normal."""
        return Plan(days=self.days, entities=self.services, anomaly_rate=0, seed=2 * self.seed)

    @property
    def trial(self) -> Plan:
        """The day after, with anomalies that last 15 to 60 minutes."""
        return Plan(
            days=1,
            entities=self.services,
            anomaly_rate=0.1,
            episode=(3, 12),
            seed=2 * self.seed + 1,
            start=MONDAY + self.days * 24 * 60 * MINUTE,
        )


def episodes_of(truth: Truth) -> list[Episode]:
    """The truth as the judge takes it."""
    return [
        Episode(str(row["entity"]), str(row["kind"]), start, end)
        for row, start, end in zip(truth.rows(), truth.start.tolist(), truth.end.tolist(), strict=True)
    ]


def environment(kafka: str, redis: str, folder: Path, extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Environment of the demo's workers: this process's own, without any setting of an installation."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("FAULTLINE_")}
    return {
        **ours,
        "FAULTLINE_NAMESPACE": "demo",
        "FAULTLINE_KAFKA__BOOTSTRAP_SERVERS": kafka,
        "FAULTLINE_REDIS__URL": redis,
        "FAULTLINE_REGISTRY__URL": str(folder / "registry"),
        "FAULTLINE_LOG__FORMAT": "json",
        "FAULTLINE_HTTP__PORT": "0",
        "FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "100",
        "FAULTLINE_WORKER__COMPILE_FIRST": "false",  # the learning processes do it meanwhile
        "FAULTLINE_KAFKA__GROUP_PROTOCOL": "consumer",  # the embedded broker is quick with it; classic waits 3 s
        **(extra or {}),
    }


def history_settings(folder: Path) -> dict[str, str]:
    """What the played day needs besides: its own pane length, and no ticks, because history is not silence."""
    profile = folder / "service.yaml"
    profile.write_text(PROFILE)
    return {
        "FAULTLINE_WINDOWS__PROFILES": str(profile),
        "FAULTLINE_WINDOWS__ENABLED": '["service"]',
        "FAULTLINE_WINDOWS__IDLE_TIMEOUT_MS": "0",
    }
