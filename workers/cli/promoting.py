"""Putting versions in force: in the registry, and for running workers by a record on the control topic."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

from models.manifest import BundleError
from models.registry import Aliases, Registry, RegistryError
from models.signing import KeyProblem, read_key
from workers.cli.controlling import author, write_control
from workers.cli.extras import needing
from workers.cli.failures import Failure, WrongUse
from workers.scoring.aliases import Name
from workers.scoring.controls import control_key, control_record
from workers.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


def open_registry(settings: Settings) -> Registry:
    """The registry of the settings. Raises `WrongUse` where there is none."""
    if not settings.registry.url:
        raise WrongUse("no registry is configured: set FAULTLINE_REGISTRY__URL to a folder or an fsspec URL")
    return Registry(settings.registry.url, settings.registry.trusted_keys)


def private_key(place: Path) -> Ed25519PrivateKey:
    """What bundles are signed with. Raises `WrongUse`, and `Failure` where what signs is not installed."""
    try:
        with needing("signing", "signing"):
            return read_key(place)
    except KeyProblem as error:
        raise WrongUse(str(error)) from error


def promote(settings: Settings, registry: Registry, name: Name, aliases: Aliases) -> bool:
    """Put versions in force; True if running workers were told as well. Raises `Failure`."""
    try:
        registry.promote(*name, aliases)
    except (BundleError, RegistryError) as error:
        raise Failure(f"not promoted: {error}") from error
    if not tells_workers(settings):
        return False
    _tell(settings, name, aliases)
    return True


def tells_workers(settings: Settings) -> bool:
    """Whether a broker is configured. The default address is nobody's choice."""
    return "bootstrap_servers" in settings.kafka.model_fields_set


def _tell(settings: Settings, name: Name, aliases: Aliases) -> None:
    record = control_record(name, aliases, time.time_ns() // 1000, author())
    try:
        write_control(settings, control_key(name), record)
    except Failure as error:
        raise Failure(
            f"promoted in {settings.registry.url}, but running workers were not told: {error}. "
            "Run `faultline models promote` again when the broker is back"
        ) from error
