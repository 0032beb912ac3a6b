"""What `faultline config check` looks at. Every check answers with findings: what is there, and what to do about it.

A check never changes anything that a reader could see: the one record it writes is in a transaction that it aborts.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from typing import Literal
from urllib.error import URLError
from urllib.request import Request, urlopen

import redis
from confluent_kafka import KafkaException, Message
from confluent_kafka.admin import AdminClient

from workers.addresses import Credentials, without_secrets
from workers.cli import cluster
from workers.cli.clients import TIMEOUT, connect, redis_client, transactional_producer
from workers.cli.failures import Failure
from workers.cli.topics import Compared, compare
from workers.settings import Settings

MAX_CLOCK_OFFSET_MS = 2_000
"""Ticks carry a worker's clock and are judged beside the broker's; further apart, silence is seen early or late."""

_SHORT_SESSION_MS = 10_000

_NEEDS = {
    "raw": {"READ"},
    "events": {"READ", "WRITE"},
    "features": {"READ", "WRITE"},
    "scores": {"READ", "WRITE"},
    "anomalies": {"WRITE"},
    "incidents": {"READ", "WRITE"},
    "incident_state": {"WRITE"},
    "drift": {"READ", "WRITE"},
    "state.windows": {"READ", "WRITE"},
    "state.scoring": {"READ", "WRITE"},
    "state.incidents": {"READ", "WRITE"},
    "state.groups": {"READ", "WRITE"},
    "state.source": {"READ", "WRITE"},
    "groups": {"READ", "WRITE"},
    "control": {"READ", "WRITE"},
    "deadletter": {"READ", "WRITE"},
}
"""What workers and commands together do with a topic; a worker of its own user needs its share of it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check: `found` is what is there, `fix` what to do where it is not as it must be."""

    check: str
    state: Literal["ok", "warning", "failed"]
    found: str
    fix: str = ""


def all_findings(settings: Settings) -> Iterator[Finding]:
    """Every check, in the order in which one makes the next possible. Addresses are shown without their secrets."""
    for finding in _every_check(settings):
        yield replace(finding, found=without_secrets(finding.found))


def _every_check(settings: Settings) -> Iterator[Finding]:
    yield from check_workers(settings)
    try:
        admin = connect(settings)
    except Failure as failure:
        yield Finding("kafka", "failed", str(failure), "Is the broker up, and reachable from here?")
    else:
        yield from _kafka(settings, admin)
    yield from check_redis(settings)
    yield from check_schema_registry(settings)
    yield from check_model_registry(settings)
    from workers.cli.storage_checks import check_archive, check_history

    yield from check_history(settings)
    yield from check_archive(settings)
    if settings.notify.targets:
        from workers.cli.target_checks import check_targets

        yield from check_targets(settings)
    if "url" in settings.victoriametrics.model_fields_set and find_spec("httpx2") and find_spec("pybreaker"):
        from workers.cli.metrics_checks import check_metrics

        yield from check_metrics(settings)


def check_workers(settings: Settings) -> Iterator[Finding]:
    """Build every worker's step from the settings: that reads the profiles, mappings, templates and zones they name."""
    from workers.groups.links import links_of
    from workers.incidents.stage import build as incidents
    from workers.intake.stage import build as intake
    from workers.notify.building import Notifier
    from workers.scoring.stage import build as scoring
    from workers.windows.stage import build as windows

    count = {settings.topics.events: settings.topics.partitions}
    built: dict[str, Callable[[], object]] = {
        "intake": lambda: intake(settings, count),
        "windows": lambda: windows(settings),
        "scoring": lambda: scoring(settings),
        "incidents": lambda: incidents(settings),
        "groups": lambda: links_of(settings.groups),
        "notify": lambda: [Notifier(settings, name).stage() for name in settings.notify.targets],
    }
    wrong = 0
    for worker, build in built.items():
        try:
            build()
        except Exception as error:  # whatever a worker would stop with at its start
            wrong += 1
            fix = f"Correct the FAULTLINE_{worker.upper()}__… settings, or the file that they name"
            yield Finding(f"worker {worker}", "failed", f"{type(error).__name__}: {error}", fix)
    if not wrong:
        yield Finding("workers", "ok", f"{', '.join(built)} can be built from these settings")


def _kafka(settings: Settings, admin: AdminClient) -> Iterator[Finding]:
    brokers = admin.list_topics(timeout=TIMEOUT).brokers
    yield Finding("kafka", "ok", f"{len(brokers)} broker(s) at {settings.kafka.bootstrap_servers}")
    yield group_protocol(settings, cluster.broker_config(admin))
    compared = compare(admin, settings)
    yield from check_topics(compared)
    yield from check_permissions(compared)
    letters = next(one for one in compared if one.spec.role == "deadletter")
    if letters.state in ("ok", "differs"):
        yield from check_transaction(settings)


def group_protocol(settings: Settings, broker: dict[str, str]) -> Finding:
    """Which group protocol the workers will speak, and how long a killed one keeps its partitions."""
    least = broker.get("group.consumer.min.session.timeout.ms")
    wish = settings.kafka.group_protocol
    if wish == "classic":
        return Finding("group protocol", "ok", "classic, as set")
    if least is not None and int(least) <= _SHORT_SESSION_MS:
        return Finding("group protocol", "ok", f"consumer (KIP-848): the broker allows a session of {least} ms")
    reason = "the broker does not know it, or does not say" if least is None else f"its shortest session is {least} ms"
    if wish == "auto":
        return Finding("group protocol", "ok", f"classic, because for the consumer protocol {reason}")
    return Finding(
        "group protocol",
        "warning",
        f"consumer, as set, but {reason}: a killed worker's partitions stand still until its session ends",
        "Lower group.consumer.min.session.timeout.ms to 6000 on the brokers, or FAULTLINE_KAFKA__GROUP_PROTOCOL=auto",
    )


def check_topics(compared: list[Compared]) -> Iterator[Finding]:
    good = 0
    for one in compared:
        if one.state == "missing":
            yield Finding("topics", "failed", f"{one.spec.name} does not exist", "faultline topics create")
        elif one.partitions_differ:
            is_, must = one.differences["partitions"]
            yield Finding(
                "topics",
                "failed",
                f"{one.spec.name} has {is_} partitions, the others have {must}",
                "Delete and create it while the workers stand still, or use another FAULTLINE_NAMESPACE",
            )
        elif one.state == "differs":
            text = ", ".join(f"{name} is {is_}, must be {must}" for name, (is_, must) in one.differences.items())
            yield Finding("topics", "failed", f"{one.spec.name}: {text}", "faultline topics create --update")
        good += one.state == "ok"
    if good:
        yield Finding("topics", "ok", f"{good} of {len(compared)} as they must be")


def check_permissions(compared: list[Compared]) -> Iterator[Finding]:
    """What this client may do with the topics, by the broker's own word."""
    lacking = {}
    for one in compared:
        if one.found is not None:
            missing = sorted(({"DESCRIBE"} | _NEEDS[one.spec.role]) - one.found.allowed)
            if missing:
                lacking[one.spec.name] = missing
    for name, operations in lacking.items():
        yield Finding(
            "permissions", "failed", f"{name}: no {' and '.join(operations)}", f"Grant it to this user on topic {name}"
        )
    if not lacking:
        yield Finding("permissions", "ok", "topics can be read and written")


def check_transaction(settings: Settings) -> Iterator[Finding]:
    """Write one record in a transaction and abort it: that tells permissions, health and the broker's clock."""
    stamped: list[Message] = []
    producer = transactional_producer(settings, "config-check")
    try:
        producer.init_transactions(TIMEOUT)
        producer.begin_transaction()
        before = time.time()
        producer.produce(settings.topics.deadletter, b"", on_delivery=lambda _, message: stamped.append(message))
        producer.flush(TIMEOUT)
        after = time.time()
        producer.abort_transaction(TIMEOUT)
    except KafkaException as error:
        yield Finding(
            "transactions",
            "failed",
            f"a transaction is not possible: {error.args[0].str()}",
            f"Grant WRITE and DESCRIBE on transactional ids beginning with {settings.prefix}faultline-",
        )
        return
    yield Finding("transactions", "ok", "one was opened, written and aborted")
    written = stamped and stamped[0].error() is None
    if written:
        yield clock_offset("broker", stamped[0].timestamp()[1] / 1000, before, after)


def clock_offset(whose: str, theirs: float, before: float, after: float) -> Finding:
    """How far another clock, read between `before` and `after` of ours, is off. Epoch seconds."""
    off = max(before - theirs, theirs - after, 0.0) * 1000
    found = f"within {after - before:.3f} s of ours" if off == 0 else f"off by at least {off:,.0f} ms"
    if off <= MAX_CLOCK_OFFSET_MS:
        return Finding(f"clock of {whose}", "ok", found)
    return Finding(f"clock of {whose}", "failed", found, "Let NTP (chrony) set the clocks of both machines")


def check_redis(settings: Settings) -> Iterator[Finding]:
    client = redis_client(settings)
    try:
        before = time.time()
        seconds, micros = client.time()
        after = time.time()
        memory = client.info("memory")
    except redis.RedisError as error:
        yield Finding(
            "redis",
            "failed",
            f"{type(error).__name__}: {error}",
            "Set FAULTLINE_REDIS__URL=redis://[user:password@]host:port/db (rediss:// for TLS)",
        )
        return
    finally:
        client.close()
    yield Finding("redis", "ok", f"answers; {memory['used_memory_human']} in use")
    policy = memory.get("maxmemory_policy", "noeviction")
    if policy == "noeviction":
        yield Finding("redis eviction", "ok", policy)
    else:
        yield Finding(
            "redis eviction",
            "failed",
            f"maxmemory-policy is {policy}: checkpoints may vanish one by one",
            "CONFIG SET maxmemory-policy noeviction, or use a Redis of its own",
        )
    limit = int(memory.get("maxmemory", 0))
    if limit and int(memory["used_memory"]) > 0.8 * limit:
        share = int(memory["used_memory"]) / limit
        yield Finding("redis memory", "warning", f"{share:.0%} of maxmemory is used", "Raise maxmemory")
    yield clock_offset("redis", seconds + micros / 1e6, before, after)


def check_schema_registry(settings: Settings) -> Iterator[Finding]:
    url = settings.schema_registry.url
    if not url:
        return
    try:
        if not url.startswith(("http://", "https://")):
            raise ValueError("not an http(s) address")
        plain, headers = Credentials.of(url.rstrip("/"))
        request = Request(f"{plain}/subjects", headers=headers)  # noqa: S310 - checked above
        with urlopen(request, timeout=TIMEOUT) as response:  # noqa: S310
            yield Finding("schema registry", "ok", f"answers with {response.status}")
    except (URLError, OSError, ValueError) as error:
        yield Finding(
            "schema registry", "failed", str(error), "Correct FAULTLINE_SCHEMA_REGISTRY__URL, or leave it empty"
        )


def check_model_registry(settings: Settings) -> Iterator[Finding]:
    from models.registry import Registry, RegistryError

    url = settings.registry.url
    if not url:
        yield Finding("model registry", "ok", "none is set: the untrained fallback scores everything")
        return
    try:
        empty = Registry(url).is_empty()
    except RegistryError as error:
        yield Finding("model registry", "failed", str(error), "Correct FAULTLINE_REGISTRY__URL, or leave it empty")
        return
    if not empty:
        yield Finding("model registry", "ok", f"{url} can be read")
    else:
        yield Finding("model registry", "warning", f"{url} is empty: the untrained fallback scores", "faultline train")
