"""Where the values of settings come from: a YAML file, then the environment over it. Knows no single setting by name.

Every variable that carries the prefix must be one of the model's: a misspelt one would otherwise be silently without
effect. What is wrong is named by the name that the operator wrote, with the nearest right one beside it.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from workers.addresses import HIDDEN, without_secrets

SEPARATOR = "__"
_FILE = "_FILE"

# What Kubernetes puts into every pod for a service that happens to be called like the prefix.
_SERVICE_LINK = re.compile(r"_(SERVICE_(HOST|PORT(_[A-Z0-9_]+)?)|PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?)$")

_SECRET = re.compile(
    r"password|passphrase|secret|token|credential|\bkey\b|[._]key$|\.pem$|jaas|userinfo|basic\.auth", re.I
)
_SECRETS = "secrets"
"""A mapping of this name holds nothing else, whatever its keys are called."""

Path_ = tuple[str, ...]


class SettingsError(ValueError):
    """Settings that cannot be used. `problems` says, one line each, which name is wrong and what would be right."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(slots=True)
class Values:
    """Collected values as nested mappings, and for each path the name that the operator gave it by."""

    tree: dict[str, Any] = field(default_factory=dict)
    origins: dict[Path_, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def put(self, path: Path_, value: object, origin: str) -> None:
        node = self.tree
        for step in path[:-1]:
            node = node.setdefault(step, {})
        node[path[-1]] = value
        self.origins[path] = origin

    def origin(self, path: Path_) -> str:
        """The name that the value at `path` was given by; for one inside it, the way to it behind that name."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.origins:
                return self.origins[path[:length]] + "".join(f"[{step}]" for step in path[length:])
        return ".".join(path)


def leaves(model: type[BaseModel], path: Path_ = ()) -> Iterator[tuple[Path_, Any]]:
    """(path, annotation) of every single setting of a model, sections opened up."""
    for name, info in model.model_fields.items():
        annotation = info.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, (*path, name))
        else:
            yield (*path, name), annotation


def variable(prefix: str, path: Path_) -> str:
    """`FAULTLINE_WORKER__START` for ("worker", "start")."""
    return prefix + SEPARATOR.join(path).upper()


def read_yaml(model: type[BaseModel], file: Path, values: Values) -> None:
    """Take every value of a YAML file whose mappings are the model's sections."""
    try:
        content = yaml.safe_load(file.read_text())
    except OSError as error:
        values.problems.append(f"{file}: cannot be read ({error.strerror}). FAULTLINE_CONFIG must name a YAML file")
        return
    except yaml.YAMLError as error:
        values.problems.append(f"{file}: not YAML: {' '.join(str(error).split())}")
        return
    if content is None:
        return
    if not isinstance(content, dict):
        values.problems.append(f"{file}: must be a mapping of sections, such as `kafka: {{bootstrap_servers: …}}`")
        return
    _walk_yaml(model, content, (), file, values)


def _walk_yaml(model: type[BaseModel], content: dict[Any, Any], path: Path_, file: Path, values: Values) -> None:
    for key, value in content.items():
        here, name = (*path, str(key)), ".".join((*path, str(key)))
        info = model.model_fields.get(str(key))
        if info is None:
            known = [".".join((*path, known)) for known in model.model_fields]
            values.problems.append(f"{file}: {name} is not a setting{_nearest(name, known)}")
        elif isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            if isinstance(value, dict):
                _walk_yaml(info.annotation, value, here, file, values)
            elif value is not None:
                values.problems.append(f"{file}: {name} is a section: give its settings below it, not {value!r}")
        else:
            values.put(here, value, f"{file}: {name}")


def read_environment(model: type[BaseModel], prefix: str, environ: Mapping[str, str], values: Values) -> None:
    """Take every variable with the prefix; `<NAME>_FILE` gives the content of a file, for secrets."""
    known = {variable(prefix, path): (path, annotation) for path, annotation in leaves(model)}
    for name in sorted(environ):
        if not name.startswith(prefix) or (SEPARATOR not in name and _SERVICE_LINK.search(name)):
            continue
        from_file = name not in known and name.endswith(_FILE)
        found = _find(name.removesuffix(_FILE) if from_file else name, known)
        if found is None:
            values.problems.append(f"{name} is not a setting{_nearest(name, list(known))}")
            continue
        if from_file and name.removesuffix(_FILE) in environ:
            values.problems.append(f"{name} and {name.removesuffix(_FILE)} are both set: keep one of them")
            continue
        path, annotation = found
        text = _content(name, environ[name], values) if from_file else environ[name]
        if text is not None:
            values.put(path, _parse(text, annotation), name)


def read_aliases(aliases: Mapping[str, Path_], environ: Mapping[str, str], values: Values) -> None:
    """Take variables of other names for settings that nothing has been said of yet. Empty ones say nothing."""
    for name, path in aliases.items():
        if environ.get(name) and path not in values.origins:
            values.put(path, environ[name], name)


def _find(name: str, known: Mapping[str, tuple[Path_, Any]]) -> tuple[Path_, Any] | None:
    """The setting that a variable means; `…__OPTIONS__SASL_PASSWORD` is one entry of the mapping `…__OPTIONS`."""
    if name in known:
        return known[name]
    head, _, entry = name.rpartition(SEPARATOR)
    path, annotation = known.get(head, ((), None))
    if entry and get_origin(annotation) is dict:
        return (*path, entry.lower()), str
    return None


def _content(name: str, file: str, values: Values) -> str | None:
    try:
        return Path(file).read_text().removesuffix("\n")
    except (OSError, UnicodeDecodeError) as error:
        values.problems.append(f"{name}: the file {file} cannot be read ({error})")
        return None


def _parse(text: str, annotation: Any) -> object:
    """Lists may be written with commas, lists and mappings as JSON; anything else is left to the model."""
    if get_origin(annotation) in (list, tuple, dict) and text.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(text)
        except ValueError:
            return text
    if get_origin(annotation) in (list, tuple):
        return [item.strip() for item in text.split(",") if item.strip()]
    return text


def _nearest(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f". Did you mean {near[0]}?" if near else ". `faultline config show` lists all of them"


def explain(error: ValidationError, values: Values) -> list[str]:
    """One line for each thing a model refused, by the name the operator gave it."""
    lines = []
    for detail in error.errors(include_url=False):
        path = tuple(str(step) for step in detail["loc"])
        message = str(detail["msg"]).removeprefix("Value error, ")
        if not path:
            lines.append(message)
            continue
        given = "" if isinstance(detail["input"], (dict, list)) else f"={redact(path, detail['input'])!r}"
        lines.append(f"{values.origin(path)}{given}: {message}")
    return lines


def redact(path: Path_, value: object) -> object:
    """The value, for eyes and logs: secrets, and what is secret in URLs, are replaced by `***`."""
    if isinstance(value, Mapping):
        return {key: redact((*path, str(key)), inner) for key, inner in value.items()}
    if _SECRETS in path and value:
        return HIDDEN
    if not isinstance(value, str) or not value:
        return value
    if path and _SECRET.search(path[-1]):
        return HIDDEN
    return without_secrets(value)
