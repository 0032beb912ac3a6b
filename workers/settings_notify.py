"""Settings of the notify worker: who is told of what, and how. Part of `workers.settings`, which loads them."""

from __future__ import annotations

import re
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

Severity = Literal["low", "medium", "high", "critical"]
KindName = Literal["alertmanager", "pagerduty", "slack", "webhook", "http", "files", "kafka"]

_NEEDS_URL = ("alertmanager", "webhook", "http", "files", "kafka")
_NEEDS_SECRET = {"pagerduty": "its routing key", "slack": "the whole address of its incoming webhook"}
_OVER_HTTP = ("alertmanager", "pagerduty", "webhook", "http")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
OUR_LABELS = frozenset({"alertname", "entity", "fingerprint", "severity"})


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _are_labels(labels: dict[str, str]) -> dict[str, str]:
    wrong = sorted(name for name in labels if not _LABEL.fullmatch(name) or name in OUR_LABELS)
    if wrong:
        taken = ", ".join(sorted(OUR_LABELS))
        raise ValueError(f"{', '.join(wrong)}: labels are letters, digits and _, and none of {taken}")
    return labels


class TargetSettings(_Section):
    """One receiver of pages. Its secret, where it has one, is `notify.secrets.<name>`."""

    kind: KindName
    url: str = Field("", description="address; a folder for `files`, a topic for `kafka`")
    of: Literal["incidents", "groups"] = "incidents"
    min_severity: Severity = "low"
    entities: list[str] = Field(default_factory=list, description="patterns of entities (pay-*); empty: all")
    profiles: list[str] = Field(default_factory=list, description="empty: all")
    severities: list[Severity] = Field(default_factory=list, description="empty: all from min_severity on")
    any_silence: list[str] = Field(
        default_factory=list, description="profiles in which silence pages even where entities do not report regularly"
    )
    labels: dict[str, str] = Field(default_factory=dict, description="static labels of everything sent to this target")
    stale_after_ms: int = Field(3_600_000, ge=1, description="events so much older than their record page nobody")
    gather_ms: int = Field(5_000, ge=0, description="pages wait so long for others before they go")
    max_pages: int = Field(10, ge=0, description="messages a minute; what is above goes as one digest; 0: no limit")
    timeout_ms: int = Field(5_000, ge=100, le=20_000, description="bound on one request, all of it")
    breaker_failures: int = Field(3, ge=1, description="failures in a row after which the target is left alone …")
    breaker_pause_ms: int = Field(30_000, ge=1, description="… for so long, before one request tries again")
    resend_ms: int = Field(60_000, ge=1_000, description="alertmanager: how often firing alerts are sent again")
    resolved_for_ms: int = Field(900_000, ge=0, description="alertmanager: how long resolved alerts are sent again")

    @field_validator("labels")
    @classmethod
    def _labels_can_be_used(cls, labels: dict[str, str]) -> dict[str, str]:
        return _are_labels(labels)

    @model_validator(mode="after")
    def _has_an_address(self) -> Self:
        if self.kind in _NEEDS_URL and not self.url:
            what = {"files": "the folder", "kafka": "the topic"}.get(self.kind, "the address")
            raise ValueError(f"a target of kind {self.kind} needs url: {what} that pages go to")
        if self.kind == "slack" and self.url:
            raise ValueError("the address of a Slack webhook is its secret: give it as notify.secrets, not as url")
        if self.url and self.kind in _OVER_HTTP and not self.url.startswith(("http://", "https://")):
            raise ValueError(f"url {self.url!r} must begin with http:// or https://")
        return self


class ServiceSettings(_Section):
    """What people know about some entities, for those who are paged. The first entry that fits counts."""

    entities: str = Field(min_length=1, description="pattern of entities (pay-*)")
    tier: str = Field("", description="how much depends on them (gold, 1, …)")
    owner: str = Field("", description="who looks after them")
    runbook: str = Field("", description="address of the page that says what to do")
    labels: dict[str, str] = Field(default_factory=dict, description="more static labels")

    @field_validator("labels")
    @classmethod
    def _labels_can_be_used(cls, labels: dict[str, str]) -> dict[str, str]:
        return _are_labels(labels)

    @field_validator("runbook")
    @classmethod
    def _is_a_link(cls, runbook: str) -> str:
        if runbook and not re.fullmatch(r"https?://[^\s<>|\"]+", runbook):
            raise ValueError(f"runbook {runbook!r} must be an http:// or https:// address without spaces, <, > and |")
        return runbook


class NotifySettings(_Section):
    targets: dict[str, TargetSettings] = Field(default_factory=dict, description="who is told, by name (JSON or YAML)")
    secrets: dict[str, SecretStr] = Field(
        default_factory=dict, description="by target: routing key, webhook address, signing key or bearer token"
    )
    services: list[ServiceSettings] = Field(default_factory=list, description="tier, owner, runbook of entities")

    @field_validator("targets")
    @classmethod
    def _names_can_be_groups(cls, targets: dict[str, TargetSettings]) -> dict[str, TargetSettings]:
        for name in targets:
            if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
                raise ValueError(f"target {name!r}: names are small letters, digits and _ (they are part of group ids)")
        return targets

    @model_validator(mode="after")
    def _has_its_secrets(self) -> Self:
        stray = sorted(self.secrets.keys() - self.targets.keys())
        if stray:
            raise ValueError(f"notify.secrets names no target: {', '.join(stray)}")
        for name, target in self.targets.items():
            what = _NEEDS_SECRET.get(target.kind)
            if what and name not in self.secrets:
                raise ValueError(
                    f"target {name} ({target.kind}) needs {what} as its secret: set "
                    f"FAULTLINE_NOTIFY__SECRETS__{name.upper()}, or …_FILE with the name of a file that holds it"
                )
        return self

    def secret(self, target: str) -> str:
        """The secret of a target; empty where it has none."""
        found = self.secrets.get(target)
        return found.get_secret_value() if found else ""
