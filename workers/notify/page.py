"""A page: one thing that a target is to be told, on its way from the step to the rim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import orjson

from workers.notify.notice import Notice

Action = Literal["trigger", "update", "resolve"]


@dataclass(frozen=True, slots=True)
class Page:
    """`since`: from when on the target is to see this severity; `before`, `before_since`: what it saw until now.

    `notice.severity` is the severity to show. Every page of one incident has the same `notice.key`.
    """

    action: Action
    notice: Notice
    since: int
    before: str | None = None
    before_since: int = 0

    def encode(self) -> bytes:
        return orjson.dumps(self)

    @classmethod
    def decode(cls, value: bytes) -> Page:
        return cls.of(orjson.loads(value))

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Page:
        return cls(**{**fields, "notice": Notice(**fields["notice"])})
