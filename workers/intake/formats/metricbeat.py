"""Metricbeat's documents (Elastic Common Schema): the numbers under the module's own object.

`{"@timestamp": "2026-…Z", "event": {"module": "system", "dataset": "system.network"}, "metricset": {"name": "network",
"period": 10000}, "host": {"name": "a"}, "system": {"network": {"name": "eth0", "in": {"bytes": 17}}}}` is
`system_network_in_bytes{name=eth0}` of the host a, a counter.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from schemas.columns import DELTA, GAUGE
from schemas.faults import INVALID, MALFORMED, Unreadable, shown
from workers.intake.event_rows import Metric
from workers.intake.formats.machine import Point, PointFormat, number, put_off
from workers.intake.moments import reader

_LABELS = frozenset(
    {"name", "id", "device_name", "mount_point", "interface", "instance", "db", "collection", "vhost", "pool_name"}
)
"""Texts below the module's object that tell metrics of one name apart; an `id`, which may be a number, only where there
is no `name` beside it."""

_LABELLED = frozenset({"labels", "dimensions"})
"""Objects directly below the module's whose texts are all labels: of prometheus, openmetrics, aws, azure, gcp."""

_DESCRIBING = frozenset({"labels", "tags", "annotations", "user", "cgroup"})
"""Objects elsewhere whose texts are none: what people attached to a container, and the groups a process is in."""

_DESCRIBED = frozenset({"docker", "kubernetes"})
"""Modules whose `labels` are what people attached."""

_SEVERAL = frozenset({"system.process"})
"""Datasets of which things of one name are several, and come and go: what they count up cannot be told apart."""

_WHOSE = {
    "host": ("host", "name"),
    "service": ("service", "name"),
    "env": ("service", "environment"),
    "namespace": ("kubernetes", "namespace"),
    "process": ("process", "name"),
    "container": ("container", "name"),
    "address": ("service", "address"),
}
"""The last three are labels: which one of several on a host."""

_ADDED = ("service", "env", "namespace")
"""What people add by `fields:`, or by the processor `add_labels`, where the document does not say it itself."""

_OF_HOST = {"disk": DELTA, "network": DELTA, "cpu": GAUGE}
"""Objects beside the host's name with numbers of the whole machine: what came since the reading before, and its use,
which `system.cpu` says better."""

_DEEPEST = 12

_time = reader("rfc3339")


class MetricbeatFormat(PointFormat):
    """A metric is the path of its number joined by `_`; `pct`, a share of one, becomes `ratio`. A label is called by
    its path below the metricset: `topic_name` of `kafka.partition.topic.name`.

    Metricsets are read one after another, each in records of its own: times are put off to the next whole period.
    """

    name = "metricbeat"
    marks = (b'"metricset"',)

    def claims(self, value: bytes) -> bool:
        return value[:1] == b"{" and b'"metricset"' in value and b'"@timestamp"' in value

    def points(self, value: bytes, arrived: int) -> Iterator[Point]:
        try:
            document = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise Unreadable(MALFORMED, f"not JSON ({error})") from error
        if not isinstance(document, dict):
            raise Unreadable(INVALID, "not a JSON object")
        try:
            time = _time(document.get("@timestamp"))
        except (ValueError, OverflowError) as error:
            raise Unreadable(INVALID, f"@timestamp {shown(str(document.get('@timestamp')))} {error}") from error
        found = _read(document)
        if found.dataset in _SEVERAL:
            found.metrics = [metric for metric in found.metrics if not self.counts(metric[0])]
        yield Point(put_off(time, _period(document)), found.tags, found.metrics)


def _read(document: Mapping[str, Any]) -> _Reading:
    """What a document says. One that tells of a failed reading says nothing."""
    dataset = _text(document, ("event", "dataset"))
    module = _text(document, ("event", "module")) or dataset.partition(".")[0]
    tags = {name: _text(document, path) for name, path in _WHOSE.items()}
    for name in _ADDED:
        tags[name] = tags[name] or _text(document, ("fields", name)) or _text(document, ("labels", name))
    found = _Reading(module, dataset, tags)
    body, host = document.get(module), document.get("host")
    if isinstance(body, dict):
        found.gather(module, "", body)
    if isinstance(host, dict):
        for part, type_code in _OF_HOST.items():
            if isinstance(host.get(part), dict) and not (module == "system" and part == "cpu"):
                found.gather(f"host_{part}", "", host[part], False, 1, type_code)
    if not found.metrics and not isinstance(body, dict) and "error" not in document:
        raise Unreadable(INVALID, f"event.module is {shown(module)}, and there is no object of that name")
    return found


class _Reading:
    """One document as it is read: its tags, and its metrics so far."""

    def __init__(self, module: str, dataset: str, tags: dict[str, str]) -> None:
        self.tags = tags
        self.metrics: list[Metric] = []
        self.dataset = dataset
        self._module = module
        self._within = "_".join(dataset.split(".")[1:]) + "_"

    def gather(
        self,
        path: str,
        way: str,
        body: Mapping[str, Any],
        naming: bool = True,
        depth: int = 0,
        type_code: int = GAUGE,
    ) -> None:
        """The numbers below `path`, which is `way` below the module; `naming`: texts may be labels."""
        for key, value in body.items():
            if isinstance(value, dict):
                if depth == 0 and key in _LABELLED and self._module not in _DESCRIBED:
                    self._label_all("", value, 0)
                elif depth < _DEEPEST:
                    within = naming and key not in _DESCRIBING
                    self.gather(f"{path}_{key}", f"{way}{key}_", value, within, depth + 1, type_code)
            elif key in _LABELS and (isinstance(value, str) or (key == "id" and type(value) is int)):
                if naming and (key != "id" or not isinstance(body.get("name"), str)):
                    self._label(f"{way}{key}".removeprefix(self._within), str(value))
            else:
                name = f"{path}_{key}".replace(".", "_")
                if name.endswith("_pct"):
                    name = f"{name[:-4]}_ratio"
                read = number(name, value)
                if read is not None:
                    self.metrics.append((name, read, type_code))

    def _label_all(self, way: str, body: Mapping[str, Any], depth: int) -> None:
        for key, value in body.items():
            if isinstance(value, str):
                self._label(f"{way}{key}", value)
            elif isinstance(value, dict) and key not in _DESCRIBING and depth < _DEEPEST:
                self._label_all(f"{way}{key}_", value, depth + 1)

    def _label(self, name: str, text: str) -> None:
        """The first text of a name counts; where the document itself has a tag of that name, that is another thing."""
        if name in _WHOSE and self.tags[name]:
            name = f"label_{name}"
        self.tags[name] = self.tags.get(name) or text


def _period(document: Mapping[str, Any]) -> int:
    """Of the metricset, in microseconds; 0 where it says none."""
    metricset = document.get("metricset")
    period = metricset.get("period") if isinstance(metricset, dict) else None
    if type(period) is not int or not 1 <= period <= 86_400_000:
        return 0
    return period * 1_000


def _text(document: Mapping[str, Any], path: tuple[str, str]) -> str:
    """A text by its way into the document, or under the key with dots."""
    outer = document.get(path[0])
    found = outer.get(path[1]) if isinstance(outer, dict) else document.get(".".join(path))
    return found if isinstance(found, str) else ""
