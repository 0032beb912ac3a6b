"""Settings of VictoriaMetrics, Prometheus and one-shot scoring. Part of `workers.settings`, which loads them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

ALIASES: Mapping[str, tuple[str, ...]] = {
    "VM_ENDPOINT": ("victoriametrics", "url"),
    "VM_TIMEOUT": ("victoriametrics", "timeout_s"),
    "VM_MAX_RETRIES": ("victoriametrics", "retries"),
    "MODELS_DIR": ("registry", "url"),
    "ALERTS_DIR": ("score", "alerts"),
    "FINGERPRINT_DB": ("score", "state"),
    "OBSERVABILITY_URL": ("score", "post_to"),
}
"""Variables without our prefix that are taken as settings where nothing of ours says otherwise."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _is_http(address: str, what: str) -> str:
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"must be the {what} of a server, such as https://metrics.example.com")
    return address


class VictoriaMetricsSettings(_Section):
    """How a server that speaks Prometheus' HTTP API is asked."""

    url: str = Field(
        "http://localhost:8428",
        description="address; of a cluster with its path (http://vmselect:8481/select/0/prometheus)",
    )
    username: str = Field("", description="of HTTP basic authentication; empty: none")
    password: SecretStr = Field(SecretStr(""), description="of HTTP basic authentication")
    token: SecretStr = Field(SecretStr(""), description="sent as bearer token; empty: none")
    headers: dict[str, SecretStr] = Field(
        default_factory=dict, description="further headers, such as X-Scope-OrgID (JSON or YAML)"
    )
    ca_path: str = Field("", description="PEM file with the authorities that certificates are checked by; empty: usual")
    timeout_s: float = Field(10.0, gt=0, le=600, description="bound on one request, all of it")
    retries: int = Field(3, ge=0, le=20, description="how often a request that failed in passing is made again")
    breaker_failures: int = Field(5, ge=1, description="failures in a row after which the server is left alone …")
    breaker_pause_s: float = Field(30.0, gt=0, description="… for so long, before one request tries again")
    queries: str = Field(
        "otel", description="the metrics: a YAML file, or a set that comes along (otel, spanmetrics, http)"
    )
    label: str = Field("", description="label that names a service; empty: as the queries' file says")
    filter: str = Field("", description='label matchers put in for {filter}, such as env="prod"')
    services: list[str] = Field(default_factory=list, description="only these services; empty: all that are found")
    step_s: int = Field(300, ge=1, le=86_400, description="time between two values of a metric")
    lookback_days: float = Field(30.0, gt=0, description="how far back training data and first runs reach at most")
    delay_s: float = Field(45.0, ge=0, description="values are asked for when they are this old: until then some lack")
    max_points: int = Field(10_000, ge=2, description="values of one series in one answer (Prometheus allows 11,000)")

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        _is_http(url, "address")
        parts = urlsplit(url)
        if parts.query or parts.fragment:
            raise ValueError("has something behind ? or #: give secrets as username and password, token or headers")
        return url.rstrip("/")

    @field_validator("label")
    @classmethod
    def _is_a_label(cls, label: str) -> str:
        if label and not re.fullmatch(r"[a-zA-Z_][a-zA-Z0-9_]*", label):
            raise ValueError("is no name of a label: letters, digits and _")
        return label

    @model_validator(mode="after")
    def _says_who_one_way(self) -> Self:
        if self.token.get_secret_value() and (self.username or urlsplit(self.url).username):
            raise ValueError("victoriametrics: give token, or username and password, not both")
        return self


class ScoreSettings(_Section):
    """Scoring without Kafka, once and again (`faultline score`)."""

    state: str = Field("faultline-score.db", description="SQLite file that runs with --source go on from")
    alerts: str = Field("", description="folder that every alert is also written to; empty: none")
    post_to: str = Field("", description="address that every alert is also posted to; empty: none")
    token: SecretStr = Field(SecretStr(""), description="bearer token of that address")
    warmup_hours: float = Field(24.0, gt=0, description="how much of the past the first run looks at")

    @field_validator("post_to")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        return _is_http(url, "address") if url else url
