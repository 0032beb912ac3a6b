"""`faultline topics`: create what is missing, compare what is there with what the workers need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import typer
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from workers.cli import cluster
from workers.cli.clients import TIMEOUT, connect
from workers.cli.failures import Failure
from workers.cli.output import print_json, print_table
from workers.settings import Settings, load_settings
from workers.topics import MESSAGE_BYTES, TopicSpec, topic_specs

app = typer.Typer(no_args_is_help=True, help="Create the topics as the workers need them, or compare them.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@dataclass(frozen=True, slots=True)
class Compared:
    """A topic as it must be beside the one that is there. `differences`: setting → (is, must be)."""

    spec: TopicSpec
    found: cluster.Topic | None
    differences: Mapping[str, tuple[str, str]]

    @property
    def state(self) -> str:
        if self.found is None:
            return "missing"
        if not self.found.allowed:
            return "denied"
        return "differs" if self.differences else "ok"

    @property
    def partitions_differ(self) -> bool:
        return "partitions" in self.differences


def compare(admin: AdminClient, settings: Settings) -> list[Compared]:
    """Every topic of the installation beside what the cluster has.

    Partitions that nobody asked for in a setting are those that the events topic already has.
    """
    found = cluster.topics(admin, [spec.name for spec in topic_specs(settings)])
    events = found.get(settings.topics.events)
    if events and events.partitions and "partitions" not in settings.topics.model_fields_set:
        settings = with_partitions(settings, events.partitions)
    specs = topic_specs(settings, _largest_input(settings, found))
    return [Compared(spec, found.get(spec.name), _differences(spec, found.get(spec.name))) for spec in specs]


def with_partitions(settings: Settings, partitions: int) -> Settings:
    topics = settings.topics.model_copy(update={"partitions": partitions})
    return settings.model_copy(update={"topics": topics})


def _largest_input(settings: Settings, found: Mapping[str, cluster.Topic]) -> int:
    """What the largest record can be: a raw topic that others made may let in more than ours would."""
    given = [int(found[name].config.get("max.message.bytes", 0)) for name in settings.topics.raw if name in found]
    return max([MESSAGE_BYTES, *given])


def _differences(spec: TopicSpec, found: cluster.Topic | None) -> dict[str, tuple[str, str]]:
    if found is None or not found.allowed:
        return {}
    differing = {}
    # Producers decide how raw topics are cut; whoever made them decides how long they keep.
    if spec.role != "raw" and found.partitions != spec.partitions:
        differing["partitions"] = (str(found.partitions), str(spec.partitions))
    if spec.role == "raw":
        return differing
    for name, wanted in spec.config.items():
        actual = found.config.get(name, wanted)
        if actual != wanted and not (name == "max.message.bytes" and int(actual) >= int(wanted)):
            differing[name] = (actual, wanted)
    return differing


@app.command()
def create(
    partitions: Annotated[
        int | None,
        typer.Option(min=1, help="Partitions of every partitioned topic (default: FAULTLINE_TOPICS__PARTITIONS)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Also bring the settings of existing topics in line (never partitions).")
    ] = False,
    as_json: Json = False,
) -> None:
    """Create every topic that is missing. Existing topics are compared, and left as they are without --update.

    Choose the partitions once: entities live in the partition that their key hashes to, so they can not be added
    later without moving to a new set of topics. Twice as many as the pods ever wanted is a good number.

    Example: faultline topics create --partitions 24 --dry-run
    """
    settings = load_settings()
    if partitions is not None:
        settings = with_partitions(settings, partitions)
    admin = connect(settings)
    compared = compare(admin, settings)
    done = [_bring_in_line(admin, one, settings, update=update, dry_run=dry_run) for one in compared]
    if as_json:
        print_json([{**_document(one), "action": action} for one, action in zip(compared, done, strict=True)])
    else:
        print_table(
            ("topic", "partitions", "action", "differences"),
            [
                (one.spec.name, one.spec.partitions, action, _text(one))
                for one, action in zip(compared, done, strict=True)
            ],
        )
    _refuse_what_remains(compared, updated=update)


@app.command("list")
def list_topics(as_json: Json = False) -> None:
    """Every topic of this installation: whether it is there, how it differs, how many records it holds.

    Example: faultline topics list --json | jq '.[] | select(.state != "ok")'
    """
    settings = load_settings()
    admin = connect(settings)
    compared = compare(admin, settings)
    counts = _records(admin, [one.found for one in compared if one.found])
    if as_json:
        print_json([{**_document(one), "records": counts.get(one.spec.name)} for one in compared])
        return
    print_table(
        ("role", "topic", "partitions", "replicas", "cleanup", "records", "state", "differences"),
        [
            (
                one.spec.role,
                one.spec.name,
                one.found.partitions if one.found else one.spec.partitions,
                one.found.replication if one.found else "",
                one.spec.config["cleanup.policy"],
                counts.get(one.spec.name, ""),
                one.state,
                _text(one),
            )
            for one in compared
        ],
    )


def _bring_in_line(admin: AdminClient, one: Compared, settings: Settings, *, update: bool, dry_run: bool) -> str:
    if one.found is None:
        if not dry_run:
            _create(admin, one.spec, settings.topics.replication)
        return "would create" if dry_run else "created"
    changes = {name: wanted for name, (_, wanted) in one.differences.items() if name != "partitions"}
    if not changes or not update:
        return "none"
    if not dry_run:
        _update(admin, one.spec.name, changes)
    return "would update" if dry_run else "updated"


def _create(admin: AdminClient, spec: TopicSpec, replication: int) -> None:
    topic = NewTopic(spec.name, spec.partitions, replication, config=dict(spec.config))
    try:
        admin.create_topics([topic], operation_timeout=TIMEOUT)[spec.name].result(TIMEOUT)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:  # two of us at once: both are content
            raise Failure(f"{spec.name} was not created: {error.args[0].str()}") from error


def _update(admin: AdminClient, name: str, changes: Mapping[str, str]) -> None:
    entries = [ConfigEntry(n, v, incremental_operation=AlterConfigOpType.SET) for n, v in changes.items()]
    resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=entries)
    for future in admin.incremental_alter_configs([resource], request_timeout=TIMEOUT).values():
        try:
            future.result(TIMEOUT)
        except KafkaException as error:
            raise Failure(f"{name} was not updated: {error.args[0].str()}") from error


def _refuse_what_remains(compared: list[Compared], *, updated: bool) -> None:
    wrong = [one.spec.name for one in compared if one.partitions_differ]
    if wrong:
        raise Failure(
            f"{', '.join(wrong)}: the number of partitions differs and cannot be changed under running entities. "
            "Use --partitions with the number that is there, or another FAULTLINE_NAMESPACE"
        )
    differing = [one.spec.name for one in compared if one.differences]
    if differing and not updated:
        raise Failure(f"{', '.join(differing)}: settings differ. `faultline topics create --update` changes them")


def _records(admin: AdminClient, found: list[cluster.Topic]) -> dict[str, int]:
    partitions = [(topic.name, p) for topic in found for p in range(topic.partitions)]
    first, end = cluster.starts(admin, partitions), cluster.ends(admin, partitions)
    counts = dict.fromkeys((topic.name for topic in found), 0)
    for name, partition in partitions:
        counts[name] += end[name, partition] - first[name, partition]
    return counts


def _text(one: Compared) -> str:
    return ", ".join(f"{name} is {actual}, must be {wanted}" for name, (actual, wanted) in one.differences.items())


def _document(one: Compared) -> dict[str, object]:
    return {
        "role": one.spec.role,
        "topic": one.spec.name,
        "state": one.state,
        "partitions": one.found.partitions if one.found else one.spec.partitions,
        "config": dict(one.spec.config),
        "differences": {name: {"is": a, "must_be": w} for name, (a, w) in one.differences.items()},
    }
