"""Reading mapping files: YAML into a model, with errors that name the file, the field and the setting."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

_Model = TypeVar("_Model", bound=BaseModel)


class MappingError(ValueError):
    """The mapping cannot be used; the message names the file, the field and the fix."""


def read_mapping(model: type[_Model], path: str, what: str, built_in: str, setting: str, sections: bool) -> _Model:
    """The mapping in that file, or the built-in one where `path` is empty.

    `what` it is called, `built_in` its file beside this one; with `sections` a file replaces those that it has, and
    the others are built in. Raises `MappingError`.
    """
    name = path or f"built-in {what}"
    try:
        shipped = resources.files("workers.intake").joinpath(built_in).read_text("utf-8")
        text = Path(path).read_text("utf-8") if path else shipped
        given = _parsed(text, model)
        return model.model_validate(_parsed(shipped, model) | given if sections else given)
    except OSError as error:
        raise MappingError(
            f"the mapping {name} cannot be read ({error.strerror}); set {setting} to a YAML file"
        ) from None
    except yaml.YAMLError as error:
        raise MappingError(f"the mapping {name} is not YAML: {error}") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise MappingError(f"the mapping {name} is wrong: {problems}") from None
    except ValueError as error:
        raise MappingError(f"the mapping {name} is wrong: {error}") from None


def _parsed(text: str, model: type[BaseModel]) -> dict[str, Any]:
    found = yaml.safe_load(text)
    if not isinstance(found, dict):
        raise ValueError(f"file: expected sections: {', '.join(model.model_fields)}")
    return found
