"""What `faultline train` says at its end: for people, and as a document."""

from __future__ import annotations

from dataclasses import asdict

from models.periods import ALL
from models.train import TrainedBundle
from workers.addresses import without_secrets
from workers.settings import Settings


def line(one: TrainedBundle) -> dict[str, object]:
    """A model as one object of the document."""
    m, validation = one.manifest, one.manifest.periods[ALL].validation
    return {
        "profile": m.profile,
        "scope": m.scope,
        "version": one.version,
        "rows": m.training.rows,
        "periods": {name: dict(entry.held_out) for name, entry in m.periods.items()},
        "bytes": sum(entry.bytes for entry in m.files.values()),
        "by_labels": None if validation is None else asdict(validation),
        "remark": one.remark,
    }


def _by_labels(one: TrainedBundle) -> str:
    """What labels say of a model, or why they were not used; empty without any."""
    found = one.manifest.periods[ALL].validation
    if found is None:
        return f"; {one.remark}" if one.remark else ""
    members = " + ".join(one.manifest.periods[ALL].members)
    return (
        f"; by labels {members}, F1 {found.ensemble['f1']:.3f} and average precision "
        f"{found.ensemble['average_precision']:.3f} on {found.rows:,} later rows, {found.anomalous:,} anomalous"
    )


def summary(trained: list[TrainedBundle], settings: Settings, told: bool | None) -> str:
    """A line a model, and where they are; `told`: whether running workers were, None where nothing was promoted."""
    lines = [
        f"{one.manifest.profile} {one.manifest.scope}: {one.version}, {one.manifest.training.rows:,} vectors, "
        f"periods {', '.join(one.manifest.periods)}{_by_labels(one)}"
        for one in trained
    ]
    place = without_secrets(settings.registry.url)
    if told is None:
        lines.append(f"stored in {place}; put in force with `faultline models promote`")
    elif told:
        lines.append(f"in force in {place} and told to running workers")
    else:
        lines.append(
            f"in force in {place} for workers that start anew; no broker is configured "
            "(FAULTLINE_KAFKA__BOOTSTRAP_SERVERS), so running ones were not told"
        )
    return "\n".join(lines)
