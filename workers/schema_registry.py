"""Avro schemas by the ids of a Confluent schema registry, for workers whose settings name one.

What we write is registered under `<topic>-value` once, at start. What others wrote is looked up by its id at its first
record and kept, so that a registry that is down stops nobody who needs no new id.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import fastavro
import orjson
import structlog
from fastavro.schema import SchemaParseException, UnknownType
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_delay, wait_exponential_jitter

from schemas.catalog import record
from schemas.faults import UNKNOWN_SCHEMA, Unreadable
from schemas.foreign import wrapped
from schemas.framing import SchemaId, Writer
from workers.runtime.errors import Fatal
from workers.settings import Settings

if TYPE_CHECKING:
    from confluent_kafka.schema_registry import Schema, SchemaRegistryClient

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

_TIMEOUT_SECONDS = 5.0
_HIGHEST_ID = (1 << 31) - 1
_MISSING_SECONDS, _MOST_MISSING = 30.0, 100_000
_TOO_MANY, _NOT_FOUND, _SERVER_ERRORS = 429, 404, 500


class SchemaIds:
    """Ids for schemas that we write, schemas for ids that we read.

    `patience`: seconds that a registry may be away. `clock` counts seconds.
    """

    def __init__(
        self, client: SchemaRegistryClient, patience: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client, self._patience, self._clock = client, patience, clock
        self._known: dict[int, Mapping[str, Any] | Unreadable] = {}
        self._missing: dict[int, float] = {}

    def writer(self, topic: str, name: str) -> SchemaId:
        """The id under which our schema of a record (`catalog.NAMES`) is registered for a topic. Raises Fatal."""
        from confluent_kafka.schema_registry import Schema

        ours = Schema(orjson.dumps(record(name).schema).decode(), "AVRO")
        return SchemaId(self._ask(lambda: self._client.register_schema(f"{topic}-value", ours), f"{topic}-value"))

    def resolve(self, writer: Writer) -> Mapping[str, Any] | None:
        """The schema with that id; None where the registry has none, for which it is not asked again for half a minute.

        Raises `Unreadable` where it is a schema of something else than Avro, Fatal where there is no answer in time.
        """
        if not isinstance(writer, SchemaId) or not 0 < writer.value <= _HIGHEST_ID:
            return None
        number = writer.value
        if number not in self._known:
            if self._clock() < self._missing.get(number, -math.inf):
                return None
            try:
                found = self._ask(lambda: self._client.get_schema(number), str(writer))
                self._known[number] = self._usable(found, str(writer))
            except _Unknown:
                if len(self._missing) >= _MOST_MISSING:
                    self._missing.clear()
                self._missing[number] = self._clock() + _MISSING_SECONDS
                return None
        known = self._known[number]
        if isinstance(known, Unreadable):
            raise known
        return known

    def _usable(self, found: Schema, what: str) -> Mapping[str, Any] | Unreadable:
        """A registered schema as one JSON object, the schemas that it refers to inside."""
        if (found.schema_type or "AVRO") != "AVRO":
            return Unreadable(UNKNOWN_SCHEMA, f"{what} is a schema of {found.schema_type}; send Avro, or plain JSON")
        named: dict[str, Any] = {}
        try:
            self._add_references(found, named)
            schema: Any = fastavro.parse_schema(wrapped(orjson.loads(found.schema_str or "null")), named_schemas=named)
        except (orjson.JSONDecodeError, SchemaParseException, UnknownType) as error:
            return Unreadable(UNKNOWN_SCHEMA, f"{what} is no Avro schema: {error}")
        return dict(schema)

    def _add_references(self, found: Schema, named: dict[str, Any]) -> None:
        for one in found.references or ():
            subject, version = one.subject or "", one.version or -1
            below = self._ask(
                partial(self._client.get_version, subject, version), f"{subject} version {version}"
            ).schema
            if one.name not in named:
                self._add_references(below, named)
                fastavro.parse_schema(orjson.loads(below.schema_str or "null"), named_schemas=named)

    def _ask(self, question: Callable[[], Answer], what: str) -> Answer:
        attempts = Retrying(
            retry=retry_if_exception(_may_pass),
            stop=stop_after_delay(self._patience),
            wait=wait_exponential_jitter(multiplier=0.1, max=5.0),
            before_sleep=_told,
            reraise=True,
        )
        try:
            return attempts(question)
        except Exception as error:  # the client lets through whatever its HTTP library raises
            if _status(error) == _NOT_FOUND:
                raise _Unknown(what) from error
            raise Fatal(
                f"the schema registry does not tell {what}: {error}", "Check it: faultline config check"
            ) from error


class _Unknown(Exception):
    """The registry has no such schema."""


def schema_ids(settings: Settings) -> SchemaIds | None:
    """For the registry that the settings name; None without one. Raises Fatal where its client is not installed."""
    if not settings.schema_registry.url:
        return None
    try:
        from confluent_kafka.schema_registry import SchemaRegistryClient
    except ImportError as error:
        raise Fatal(
            f"the schema registry that is set needs {error.name}", "Install: pip install 'faultline[registry]'"
        ) from error
    config = {"url": settings.schema_registry.url, "timeout": _TIMEOUT_SECONDS, "max.retries": 0}
    return SchemaIds(SchemaRegistryClient(config), settings.worker.commit_deadline_ms / 1000)


def _status(error: BaseException) -> int | None:
    return getattr(error, "http_status_code", None)


def _may_pass(error: BaseException) -> bool:
    status = _status(error)
    return isinstance(error, Exception) and (status is None or status == _TOO_MANY or status >= _SERVER_ERRORS)


def _told(state: RetryCallState) -> None:
    reason = state.outcome.exception() if state.outcome else None
    log.warning("the schema registry does not answer, asking again", reason=str(reason), attempt=state.attempt_number)
