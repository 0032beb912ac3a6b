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

_VERSION = 2
"""Raised when the meaning of outputs or of the logged state changes."""


@dataclass(frozen=True, slots=True)
class Policy:
    """Topics, encoding and rules. `groups` gives the name pattern of each group's entities, in order of preference."""

    scores: str
    anomalies: str
    log: str
    form: Literal["json", "avro"] = "json"
    cuts: SeverityCuts = field(default_factory=SeverityCuts)
    groups: Mapping[str, str] = field(default_factory=dict)
    own_thresholds: bool = True
    knowledge: Knowledge = field(default_factory=Knowledge)

    @classmethod
    def of(cls, settings: Settings) -> Policy:
        from workers.topics import state_topic

        s = settings.scoring
        return cls(
            scores=settings.topics.scores,
            anomalies=settings.topics.anomalies,
            log=state_topic(settings, "scoring"),
            form=settings.worker.anomaly_format,
            cuts=SeverityCuts(s.severity_medium, s.severity_high, s.severity_critical),
            groups=dict(s.groups),
            own_thresholds=s.own_thresholds,
            knowledge=knowledge_of(settings),
        )

    @property
    def hash(self) -> str:
        """Changes with everything that outputs depend on, models in force apart: those are logged."""
        rules = (fallback.MODEL_VERSION, silence.MODEL_VERSION)
        fields = (
            self.scores,
            self.anomalies,
            self.log,
            self.form,
            self.cuts,
            tuple(self.groups.items()),
            self.own_thresholds,
            self.knowledge.rules,
        )
        return hashlib.blake2b(repr((_VERSION, rules, fields)).encode(), digest_size=8).hexdigest()
