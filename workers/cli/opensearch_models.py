"""Models of API and log events, and what they find: each detector by itself, and what enough of them agree on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
from numpy.typing import NDArray

from models.api import Model
from models.ensembles import Ensemble
from models.evaluation.consensus import agreed, votes
from models.naming import naming
from models.registry import Entry, Registry
from models.scope import GLOBAL
from models.severity import NAMES, SeverityCuts
from models.train import TrainedBundle, TrainPolicy
from schemas.times import format_times
from workers.cli.failures import Failure, WrongUse
from workers.cli.opensearch_features import KEY, PROFILE, read_features, table_of
from workers.cli.opensearch_records import CLEANED, DOCUMENT, Records
from workers.cli.train import Scope, learn
from workers.cli.voice import Voice
from workers.knowing import knowledge_of
from workers.settings import Settings
from workers.sources.opensearch.connection import dump
from workers.sources.opensearch.raw import write_whole

MEMBERS = ("isolation_forest", "local_outlier_factor", "one_class_svm")


def train_models(
    features: Path,
    tag: str,
    contamination: float,
    detectors: Ensemble | None,
    seed: int,
    registry: Registry,
    settings: Settings,
    voice: Voice,
) -> TrainedBundle:
    """Learn from a table of features and store the bundle, tagged by its data. Raises `Failure`."""
    ensemble = detectors or Ensemble.of(list(MEMBERS))
    policy = TrainPolicy(
        ensemble=ensemble, contamination=contamination, seed=seed, tag=tag, rules=knowledge_of(settings).rules
    )
    stored = learn(table_of(read_features(features)), Scope.everything, policy, registry, voice, settings)
    if not stored:
        raise Failure(f"no model was trained on {features}; see above")
    return stored[0]


def tagged(registry: Registry) -> list[Entry]:
    """Bundles of the profile `event` for all entities, the one trained on the latest data first."""
    found = [entry for entry in registry.entries() if (entry.profile, entry.scope) == (PROFILE, GLOBAL)]
    return sorted(found, key=lambda entry: (entry.manifest.training.end, entry.version), reverse=True)


def model_of(registry: Registry, tag: str) -> tuple[Model, str, str]:
    """The model with a tag, or of a version (its beginning is enough); its version and tag. Raises `WrongUse`."""
    known = tagged(registry)
    for entry in known:
        if tag in (entry.manifest.training.tag, entry.version) or (len(tag) >= 6 and entry.version.startswith(tag)):
            bundle = registry.open(entry.profile, entry.scope, entry.version)
            return Model(bundle), entry.version, entry.manifest.training.tag
    tags = ", ".join(dict.fromkeys(entry.manifest.training.tag for entry in known)) or "none"
    raise WrongUse(f"no model is tagged {tag}; there are: {tags}")


def judge(
    features: Path,
    model: Model,
    version: str,
    tag: str,
    agree: int,
    cuts: SeverityCuts,
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows that `agree` members or more flag, and figures of all. Raises `WrongUse`."""
    frame = read_features(features)
    stamped = frame.assign(timestamp=pd.to_datetime(frame["timestamp"], unit="us", utc=True))
    members = model.member_scores(stamped)
    if agree > members.shape[1]:
        raise WrongUse(f"--consensus-threshold {agree}: the model has {members.shape[1]} members")
    said = model.score(stamped)
    scores = members.fillna(0.0).to_numpy(np.float64)
    flags = scores >= 1.0
    consensus = agreed(scores, agree)
    rows = frame[KEY].assign(
        anomaly_score=consensus,
        severity=np.array(NAMES, object)[cuts.rank(consensus)],
        metric=_metrics(model, said["metric"].to_numpy(object)),
        direction=said["direction"].to_numpy(object),
        agreeing=flags.sum(axis=1),
    )
    for column, name in enumerate(members.columns):
        rows[f"score {name}"], rows[f"flag {name}"] = scores[:, column], flags[:, column]
    summary = _summary(rows, flags, list(members.columns), agree)
    return rows[consensus >= 1.0], {"model": tag, "version": version, "dataset": str(features), **summary}


def _metrics(model: Model, features: NDArray[Any]) -> NDArray[Any]:
    """The metrics that features are of."""
    named = naming(model.features)
    of = {
        feature: named.metrics[group] if group >= 0 else feature
        for feature, group in zip(model.features, named.group.tolist(), strict=True)
    }
    return np.array([of.get(name, name) for name in features], object)


def _summary(rows: pd.DataFrame, flags: NDArray[np.bool_], members: Sequence[str], agree: int) -> dict[str, Any]:
    score = rows["anomaly_score"].to_numpy(np.float64)
    found = score >= 1.0
    by_entity = rows[found].groupby("entity").size().sort_values(ascending=False)
    quantiles = np.quantile(score, (0.5, 0.9, 0.99, 0.999)) if len(score) else np.full(4, np.nan)
    return {
        "rows": len(rows),
        "consensus": {"needed": agree, "of": len(members)},
        "anomalies": int(found.sum()),
        "share": float(found.mean()) if len(rows) else 0.0,
        "members": {name: int(flags[:, column].sum()) for column, name in enumerate(members)},
        "flagged_by_at_least": {str(n): int(count) for n, count in enumerate(votes(flags).tolist(), 1)},
        "severities": {str(name): int(count) for name, count in rows[found]["severity"].value_counts().items()},
        "scores": dict(zip(("p50", "p90", "p99", "p999"), quantiles.tolist(), strict=True)),
        "entities": {str(name): int(count) for name, count in by_entity.head(20).items()},
    }


def export(
    anomalies: pd.DataFrame, summary: Mapping[str, Any], metadata: Path | None, records: Records, target: Path
) -> dict[str, int]:
    """Write what was flagged as JSON, each with its document or cleaned row; how many had which."""
    rows = anomalies.sort_values(["timestamp", "entity", "sequence"])
    known = _metadata(metadata)
    about = [known.get(key, {}) for key in zip(rows["entity"], rows["timestamp"], rows["sequence"], strict=True)]
    kept = records.of({str(one["id"]) for one in about if one.get("id")})
    times = format_times(rows["timestamp"].to_numpy(np.int64))
    members = [name.removeprefix("score ") for name in rows.columns if name.startswith("score ")]
    found = []
    for row, time, one in zip(rows.to_dict("records"), times, about, strict=True):
        identity = str(one.get("id") or "")
        source, record = kept.get(identity, (None, None))
        found.append(
            {
                "entity": row["entity"],
                "timestamp": time,
                "anomaly_score": row["anomaly_score"],
                "severity": row["severity"],
                "metric": row["metric"],
                "direction": row["direction"],
                "agreeing": int(row["agreeing"]),
                "models": {
                    name: {"anomaly_score": row[f"score {name}"], "is_anomaly": bool(row[f"flag {name}"])}
                    for name in members
                },
                "index": one.get("index") or None,
                "id": identity.partition("/")[2] or None,
                "record_from": source,
                "record": record,
            }
        )
    lines = b",\n".join(dump(one) for one in found)
    head = orjson.dumps(summary, option=orjson.OPT_INDENT_2)
    target.parent.mkdir(parents=True, exist_ok=True)
    write_whole(target, b'{"summary": ' + head + b',\n"anomalies": [\n' + lines + b"\n]}\n")
    have = Counter(one["record_from"] for one in found)
    return {"with_document": have[DOCUMENT], "with_cleaned_row": have[CLEANED]}


def _metadata(path: Path | None) -> dict[tuple[str, int, int], dict[str, Any]]:
    if path is None or not path.is_file():
        return {}
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False)
        times = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601").dt.as_unit("us").astype("int64")
        keys = zip(frame["entity"], times.tolist(), frame["sequence"].astype(int).tolist(), strict=True)
        about = ({"index": index, "id": one} for index, one in zip(frame["index"], frame["id"], strict=True))
        return dict(zip(keys, about, strict=True))
    except (KeyError, ValueError) as error:
        raise WrongUse(f"{path}: not what `faultline opensearch features` writes: {error}") from error
