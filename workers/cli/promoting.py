"""Putting versions in force: in the registry, and for running workers by a record on the control topic."""

from __future__ import annotations

import getpass
import time
from pathlib import Path
from typing import TYPE_CHECKING

from models.manifest import BundleError
from models.registry import Aliases, Registry, RegistryError
from models.signing import KeyProblem, read_key
from schemas.records import encode
from workers.cli.clients import kafka_options
from workers.cli.failures import Failure, WrongUse
from workers.scoring.aliases import Name
from workers.scoring.controls import control_key, control_record
from workers.settings import Settings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_PATIENCE = 10.0


def open_registry(settings: Settings) -> Registry:
    """The registry of the settings. Raises `WrongUse` where there is none."""
    if not settings.registry.url:
        raise WrongUse("no registry is configured: set FAULTLINE_REGISTRY__URL to a folder or an fsspec URL")
    return Registry(settings.registry.url, settings.registry.trusted_keys)


def private_key(place: Path) -> Ed25519PrivateKey:
    """What bundles are signed with. Raises `WrongUse`."""
    try:
        return read_key(place)
    except ModuleNotFoundError as error:
        raise WrongUse(f"signing needs {error.name}. Install: pip install 'faultline[signing]'") from error
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
    from confluent_kafka import Producer

    record = control_record(name, aliases, time.time_ns() // 1000, getpass.getuser())
    options = {"enable.idempotence": True, "delivery.timeout.ms": int(_PATIENCE * 1000)}
    producer = Producer(kafka_options(settings, options))
    problems: list[str] = []
    producer.produce(
        settings.topics.control,
        encode("Control", [record])[0],
        control_key(name),
        partition=0,
        on_delivery=lambda error, _: problems.append(error.str()) if error is not None else None,
    )
    left = producer.flush(_PATIENCE)
    if left or problems:
        reason = problems[0] if problems else "the broker does not answer"
        raise Failure(
            f"promoted in {settings.registry.url}, but running workers were not told: {reason}. "
            "Run `faultline models promote` again when the broker is back"
        )
