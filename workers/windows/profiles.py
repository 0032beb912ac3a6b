"""Profiles: which events become which vectors, declared in small YAML files; the shipped ones lie in `profiles/`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

Kind = Literal["api", "log", "span", "host", "metric"]

_UNITS_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}
_SHIPPED = Path(__file__).parent / "profiles"

LOGS = "logs"
"""The profile that is enabled by naming a file of templates."""


class ProfileError(ValueError):
    """A profile file that cannot be used; the message names file, profile and field, and says what is expected."""


def parse_duration(text: object) -> int:
    """`10s`, `5m`, `250ms`, `1h` in microseconds."""
    found = re.fullmatch(r"(\d+)\s*(ms|s|m|h)", text) if isinstance(text, str) else None
    if found is None or int(found[1]) == 0:
        raise ValueError(f"{text!r} is not a duration such as 250ms, 10s, 5m or 1h")
    return int(found[1]) * _UNITS_US[found[2]]


def duration_name(us: int) -> str:
    """The shortest spelling of a duration, as feature names carry it: `30m`, `1h`, `90s`."""
    for unit in ("h", "m", "s", "ms"):
        if us % _UNITS_US[unit] == 0:
            return f"{us // _UNITS_US[unit]}{unit}"
    raise ValueError(f"{us} µs is not a whole number of milliseconds")


Duration = Annotated[int, BeforeValidator(lambda v: v if isinstance(v, int) and v > 1000 else parse_duration(v))]
"""Microseconds; written with a unit."""


class Profile(BaseModel):
    """What one profile takes and gives. Frozen; equal declarations give equal vectors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    version: int = Field(1, ge=1, description="raise it when a declaration changes its meaning; vectors carry it")
    takes: tuple[Kind, ...] = Field(min_length=1, description="kinds of events")
    emit: Literal["pane", "sample", "event"] = Field(
        description="a vector at pane close, at each sample, or every event"
    )
    features: Literal["service", "host", "generic", "event", "logs"] = Field(description="the family of formulas")
    pane: Duration | None = Field(None, description="pane length (emit: pane)")
    cadence: Duration | None = Field(None, description="declared interval of an entity; none: learned from its gaps")
    windows: tuple[Duration, ...] = Field((), description="rolling windows by the clock")
    samples: tuple[Annotated[int, Field(ge=2)], ...] = Field(
        (), description="rolling windows in samples (emit: sample)"
    )

    @model_validator(mode="after")
    def _fits(self) -> Profile:
        if len(set(self.windows)) != len(self.windows) or list(self.windows) != sorted(self.windows):
            raise ValueError("windows: must be distinct and ascending")
        if (self.pane is None) == (self.emit == "pane"):
            raise ValueError("pane: is needed with `emit: pane`, and only there")
        if (self.emit == "sample") != bool(self.samples):
            raise ValueError("samples: are needed with `emit: sample`, and only there")
        if self.emit == "pane" and self.pane is not None:
            if not self.windows or any(w % self.pane for w in self.windows):
                raise ValueError("windows: at least one, each a whole number of panes")
            if self.features not in ("service", "logs"):
                raise ValueError("features: panes are described by `service` or `logs` features")
        return self


def shipped() -> dict[str, Profile]:
    """The profiles that come with Faultline, by name."""
    return load_profiles([_SHIPPED])


def load_profiles(places: Iterable[Path]) -> dict[str, Profile]:
    """Profiles of all files (and of all *.yaml in all folders) given, by name; a later one replaces an earlier.

    A file holds one profile, or a list under `profiles`. Raises `ProfileError`.
    """
    found: dict[str, Profile] = {}
    for place in places:
        if not place.exists():
            raise ProfileError(f"{place}: no such file or folder; see the setting windows.profiles")
        for file in sorted(place.glob("*.yaml")) if place.is_dir() else [place]:
            for profile in _parse(file):
                found[profile.name] = profile
    return found


def choose(profiles: Mapping[str, Profile], enabled: Iterable[str], templates: str = "") -> tuple[Profile, ...]:
    """The enabled profiles in order of their names, the order in which their outputs follow each other.

    Where there are `templates` of log messages, the profile `logs` is enabled as well; without them no profile with its
    features can be. Raises `ProfileError`.
    """
    names = sorted({*enabled, *([LOGS] if templates else [])})
    missing = [name for name in names if name not in profiles]
    if missing:
        raise ProfileError(f"windows.enabled: no profile {', '.join(missing)}; there are {', '.join(sorted(profiles))}")
    chosen = tuple(profiles[name] for name in names)
    lacking = [profile.name for profile in chosen if profile.features == "logs" and not templates]
    if lacking:
        raise ProfileError(
            f"windows.enabled: profile {lacking[0]} counts messages by templates, and windows.log_templates names no "
            "file of them; mine one with `faultline templates mine`"
        )
    return chosen


def _parse(file: Path) -> list[Profile]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ProfileError(f"{file}: not YAML: {error}") from error
    entries = content.get("profiles", [content]) if isinstance(content, dict) else content
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ProfileError(f"{file}: expected one profile, or a list of them under `profiles`")
    return [_check(file, entry) for entry in entries]


def _check(file: Path, entry: Mapping[str, object]) -> Profile:
    try:
        return Profile.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        message = f"{field}: {first['msg']}" if field else first["msg"].removeprefix("Value error, ")
        raise ProfileError(f"{file}, profile {entry.get('name', '?')}: {message}") from error
