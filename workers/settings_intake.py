"""Settings of intake that need a closer look: rules of redaction, the zone of times without one."""

from __future__ import annotations

import re
from typing import Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

MOST_KEY = 64
LEAST_KEY = 16


class RedactionRule(BaseModel):
    """What is not to be written: the texts under certain names, or what a pattern finds in them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    names: list[str] = Field(
        default_factory=list,
        description="patterns of attributes and labels (*token*); entity, source, id are names too",
    )
    values: str = Field("", description="regular expression; only what it finds in a text; empty: the whole text")
    action: Literal["drop", "replace", "hash"] = "replace"
    text: str = Field("[redacted]", description="what stands in its place (replace)")

    @field_validator("values")
    @classmethod
    def _is_an_expression(cls, values: str) -> str:
        try:
            empty = bool(values) and re.compile(values).match("") is not None
        except re.error as error:
            raise ValueError(f"{values!r} is no regular expression: {error}") from None
        if empty:
            raise ValueError(f"{values!r} fits the empty text, and so every text")
        return values

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.names and not self.values:
            raise ValueError("a rule of redaction needs names (patterns), values (a regular expression), or both")
        return self


def checked_key(key: str, rules: list[RedactionRule]) -> None:
    """Raises ValueError where rules hash and the key is none."""
    if any(rule.action == "hash" for rule in rules) and not LEAST_KEY <= len(key.encode()) <= MOST_KEY:
        raise ValueError(
            f"intake.redact has a rule that hashes: set FAULTLINE_INTAKE__REDACT_KEY, or …_FILE, to a secret of "
            f"{LEAST_KEY} to {MOST_KEY} bytes (openssl rand -hex 32)"
        )


def checked_zone(zone: str) -> str:
    """The zone's name; raises ValueError where there is none of that name."""
    try:
        ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"no time zone {zone!r}; expected an IANA name such as Europe/Berlin") from None
    return zone
