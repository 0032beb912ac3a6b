"""What trouble means for people and what to look at first, by the metric family that deviates and its direction."""

from __future__ import annotations

from models.logs.names import NEW, read_name
from workers.incidents.incident import SILENCE, Change, Ending, Kind
from workers.incidents.naming import Metric, read_metric
from workers.incidents.scores import Contribution

_IMPACT = {
    ("latency", "down"): "Requests end sooner than usual, often a sign that they fail early.",
    ("errors", "up"): "More requests fail than usual.",
    ("errors", "down"): "Fewer errors than usual: better, or errors are no longer reported.",
    ("warnings", "up"): "Requests still succeed; warnings often come before errors.",
    ("cpu", "up"): "Work queues for the processor: expect slower answers.",
    ("load", "up"): "Work queues for the processor or disks: expect slower answers.",
    ("memory", "up"): "Once memory runs out, processes are killed or the machine swaps.",
    ("swap", "up"): "The machine swaps: everything on it slows down.",
    ("disk", "up"): "Reads and writes slow down; writes fail once a disk is full.",
    ("network", "up"): "Connections slow down or break when the link or its error rate is at its limit.",
    ("processes", "up"): "Process or thread limits may be reached; new work is then refused.",
}
_RECOMMENDATION = {
    ("latency", "up"): "Look at the slowest dependencies, at saturation, and at what was deployed last.",
    ("latency", "down"): "Check that requests still do their work, and are not answered from an error path.",
    ("errors", "up"): "Read the latest errors, and compare their start with deployments and with dependencies.",
    ("warnings", "up"): "Read the latest warnings, and compare their start with deployments.",
    ("traffic", "up"): "Find where the traffic comes from; scale out or limit rates before capacity ends.",
    (
        "traffic",
        "down",
    ): "Check what sends the traffic: load balancer, DNS, certificates, callers, and the log shipper.",
    ("paths", "up"): "Check for a scan or a client that calls paths which do not exist.",
    ("cpu", "up"): "Find the processes that take the processor, and what started them.",
    ("load", "up"): "Find what waits: processor, disk or network.",
    ("memory", "up"): "Find the process that grows, restart it before it is killed, and look for a leak.",
    ("swap", "up"): "Find the process that grows, and free memory.",
    ("disk", "up"): "Find what fills or loads the disk, and free space.",
    ("network", "up"): "Find the connections that carry the traffic; check links for errors and drops.",
    ("processes", "up"): "List the newest processes and their parents.",
}
_MESSAGE_RECOMMENDATION = {
    "new": "Read these messages: they are new since the models were trained. Compare their start with deployments.",
    "up": "Read these messages, and look for what made them more frequent.",
    "down": "Find out what no longer happens: a job, a health check, a consumer, or the log shipper.",
}
_FALLBACK_RECOMMENDATION = "Compare with the last normal period, and with what was changed before it began."


def impact(change: Change, name: str) -> str:
    """One sentence on what the trouble means; for trouble that is over, that it is."""
    incident = change.incident
    if change.kind in (Kind.RESOLVE, Kind.CLOSED):
        if incident.ending is Ending.CLEAN:
            return "None any more."
        return (
            f"The present state of {name} is not known."
            if incident.ending is not Ending.AGE
            else ("Unchanged; it is taken as normal from now on.")
        )
    if change.silent or incident.cause == SILENCE:
        return f"Nothing is known about {name} while it is silent; if it is down, so is all that depends on it."
    main = _main(change)
    if main is None:
        return f"{name} does something it has not done before; users may not notice yet."
    return _deviation(main, read_metric(main.metric), name)


def recommendation(change: Change, name: str) -> str:
    """What to do first."""
    incident = change.incident
    if change.kind in (Kind.RESOLVE, Kind.CLOSED):
        return _afterwards(change, name)
    if change.held_by is not None:
        return f"Nothing, if that still holds; `faultline feedback undo {change.held_by.id}` takes it back."
    if change.silent or incident.cause == SILENCE:
        return f"Check that {name} runs and can reach Kafka; if it was removed on purpose, nothing is to be done."
    main = _main(change)
    if main is None:
        return _FALLBACK_RECOMMENDATION
    counted = read_name(main.metric)
    if counted is not None:
        return _MESSAGE_RECOMMENDATION["new" if counted[0] == NEW else main.direction]
    return _RECOMMENDATION.get((read_metric(main.metric).family, main.direction), _FALLBACK_RECOMMENDATION)


def _afterwards(change: Change, name: str) -> str:
    ending = change.incident.ending
    if ending is Ending.CLEAN:
        return "Nothing to do, unless it comes back." if change.kind is Kind.RESOLVE else "Nothing to do."
    if ending is Ending.AGE:
        return "Train anew so that the models know it, or repair it."
    return f"Check whether {name} was removed on purpose."


def _main(change: Change) -> Contribution | None:
    return max(change.incident.evidence.contributions, key=lambda one: one.share, default=None)


def _deviation(main: Contribution, metric: Metric, name: str) -> str:
    family, way = metric.family, main.direction
    times = _times_expected(main)
    if family == "latency" and way == "up":
        return (
            f"Requests to {name} take about {times} times as long as they should."
            if times
            else (f"Requests to {name} take longer than they should.")
        )
    if family == "errors" and way == "up" and metric.unit.name == "ratio" and main.actual and main.actual > 0:
        one_in = metric.unit.scales[0][0] * 100 / main.actual
        return "Nearly every request fails." if one_in < 1.5 else f"About 1 in {one_in:.0f} requests fails."
    if family == "traffic" and way == "up":
        return (
            f"{name} carries about {times} times its usual load."
            if times
            else f"{name} carries more than its usual load."
        )
    if family == "traffic" and way == "down":
        return _missing_traffic(main, name)
    counted = read_name(main.metric)
    if counted is not None:
        return _messages(counted[0] == NEW, way, name)
    return _IMPACT.get((family, way), f"The {metric.label} of {name} is where it has not been before.")


def _messages(new: bool, way: str, name: str) -> str:
    if new:
        return f"{name} does something it has not done before; users may not notice yet."
    if way == "down":
        return f"Something that {name} usually does happens less often, or not at all."
    return f"Something happens in {name} far more often than usual."


def _times_expected(main: Contribution) -> str | None:
    """How many times the upper end of what was expected; None where that says nothing."""
    if main.actual is None or not main.high or main.high <= 0 or main.actual / main.high < 1.5:
        return None
    ratio = main.actual / main.high
    return f"{ratio:.1f}".removesuffix(".0") if ratio < 9.95 else f"{ratio:,.0f}"


def _missing_traffic(main: Contribution, name: str) -> str:
    if main.actual is None or not main.low or main.low <= 0 or main.actual >= main.low:
        return f"Part of the usual traffic of {name} is missing."
    return f"At least {100 * (1 - main.actual / main.low):.0f}% of the usual traffic of {name} is missing."
