"""What scoring goes by: frozen, taken from the settings once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models import fallback, silence
from models.knowledge import Knowledge
from models.severity import SeverityCuts
from workers.knowing import knowledge_of
from workers.settings import Settings

_VERSION = 8
"""Raised when the meaning of outputs or of the logged state changes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Topics, encoding and rules. `groups` gives the name pattern of each group's entities, in order of preference."""

    scores: str
    anomalies: str
    drift: str
    log: str
    form: Literal["json", "avro"] = "json"
    cuts: SeverityCuts = field(default_factory=SeverityCuts)
    groups: Mapping[str, str] = field(default_factory=dict)
    own_thresholds: bool = True
    watch_drift: bool = True
    knowledge: Knowledge = field(default_factory=Knowledge)

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        from workers.topics import state_topic

        s = settings.scoring
        return cls(
            scores=settings.topics.scores,
            anomalies=settings.topics.anomalies,
            drift=settings.topics.drift,
            log=state_topic(settings, "scoring"),
            form=settings.worker.anomaly_format,
            cuts=SeverityCuts(s.severity_medium, s.severity_high, s.severity_critical),
            groups=dict(s.groups),
            own_thresholds=s.own_thresholds,
            watch_drift=s.watch_drift,
            knowledge=knowledge_of(settings),
        )

    @property
    def hash(self) -> str:
        """Changes with everything that outputs depend on, models in force apart: those are logged."""
        rules = (fallback.MODEL_VERSION, silence.MODEL_VERSION)
        fields = (
            self.scores,
            self.anomalies,
            self.drift,
            self.log,
            self.form,
            self.cuts,
            tuple(self.groups.items()),
            self.own_thresholds,
            self.watch_drift,
            self.knowledge.rules,
        )
        return hashlib.blake2b(repr((_VERSION, rules, fields)).encode(), digest_size=8).hexdigest()
