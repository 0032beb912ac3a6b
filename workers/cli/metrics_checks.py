"""Whether a metrics server answers, and what each query gives there now."""

from __future__ import annotations

from collections.abc import Iterator

from workers.cli.checks import Finding, clock_offset
from workers.cli.failures import Failure, WrongUse
from workers.cli.metrics_server import metrics_client, wanted, with_options
from workers.queries.reading import SHIPPED
from workers.settings import Settings
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Collector, Wanted
from workers.sources.victoriametrics.errors import Refused, SourceError

_CHECK = "metrics server"


def check_metrics(settings: Settings) -> Iterator[Finding]:
    """The file of queries, connection, clock, and one finding a query."""
    try:
        asked = wanted(settings)
    except WrongUse as wrong:
        yield Finding("queries", "failed", str(wrong), "Correct the file that FAULTLINE_VICTORIAMETRICS__QUERIES names")
        return
    try:
        with metrics_client(settings.victoriametrics) as client:
            yield from _findings(settings, client, asked)
    except Failure as failure:
        yield Finding(_CHECK, "failed", str(failure), "Correct FAULTLINE_VICTORIAMETRICS__… (or VM_ENDPOINT)")


def _findings(settings: Settings, client: Client, asked: Wanted) -> Iterator[Finding]:
    yield Finding(_CHECK, "ok", f"{client.version()} answers at {client.where}")
    if client.clock is not None:
        yield clock_offset("metrics server", client.clock.theirs, client.clock.before, client.clock.after)
    at = client.now() - settings.victoriametrics.delay_s
    bad = empty = 0
    for query in asked.file.queries:
        one = asked.only(query)
        collector = Collector(client, one)
        try:
            services = collector.latest(at)
        except Refused as error:
            bad += 1
            yield Finding(
                f"query {query.name}", "failed", str(error), f"Correct it in {settings.victoriametrics.queries}"
            )
            continue
        odd = collector.oddities.lines()
        if odd:
            yield Finding(f"query {query.name}", "warning", "; ".join(odd), "Aggregate by the service's label alone")
        elif services:
            yield Finding(f"query {query.name}", "ok", f"{len(services):,} services")
        else:
            empty += 1
            yield Finding(f"query {query.name}", "warning", "no service has it now", _hint(asked))
    if empty and empty + bad == len(asked.file.queries):
        yield from _others(settings, client, at)


def _hint(asked: Wanted) -> str:
    return f"Does the server have these metrics, with the label {asked.label}?"


def _others(settings: Settings, client: Client, at: float) -> Iterator[Finding]:
    """Which of the sets that come along would give something, where this one gives nothing."""
    for name in SHIPPED:
        if name == settings.victoriametrics.queries:
            continue
        try:
            found = Collector(client, wanted(with_options(settings, name, ""))).latest(at)
        except SourceError:
            continue
        if found:
            fix = f"FAULTLINE_VICTORIAMETRICS__QUERIES={name} (or --queries {name})"
            yield Finding("queries", "failed", f"the set {name} would give {len(found):,} services", fix)
            return
    fix = "Write your own: docs/victoriametrics.md"
    yield Finding("queries", "failed", "neither these nor any set that comes along give anything", fix)
