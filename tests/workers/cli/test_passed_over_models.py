"""Bundles that learned from other features than vectors have: workers pass them over, and people are told."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

from models.features.generic import GENERIC
from models.registry import Aliases, Registry
from tests.models.learned import bundle
from tests.support.cli import faultline
from workers.cli.train import read_tables
from workers.cli.voice import Voice
from workers.settings import load_settings
from workers.windows.feature_sets import feature_sets


def _events(folder: Path) -> Path:
    """Ten minutes of requests of a service, of samples of a host and of any other metric."""
    place = folder / "events.ndjson"
    with place.open("w") as file:
        for minute in range(10):
            for kind, metric in (("api", "latency_ms"), ("host", "cpu_ratio"), ("metric", "depth")):
                at = f"2026-03-02T10:{minute:02}:00Z"
                file.write(json.dumps({"timestamp": at, "entity": kind, "kind": kind, "metrics": {metric: 1.0}}) + "\n")
    return place


def test_the_feature_sets_of_the_settings_are_those_of_the_vectors_that_come_of_them(tmp_path: Path) -> None:
    own = tmp_path / "service.yaml"
    own.write_text("{name: service, takes: [api], emit: pane, features: service, pane: 1m, windows: [5m]}\n")
    environments: list[dict[str, str]] = [{}, {"FAULTLINE_WINDOWS__PROFILES": str(own)}]
    services = set()
    for environment in environments:
        settings = load_settings(environment)
        tables = read_tables([_events(tmp_path)], settings, Voice.of(quiet=True, as_json=False), "")
        assert {table.profile for table in tables} == {"service", "host", "generic"}
        found = feature_sets(settings)
        assert {table.profile: table.feature_set for table in tables}.items() <= found.items()
        services.add(found["service"])
    assert len(services) == 2


def test_a_bundle_of_other_features_is_not_promoted_unless_told_so_and_is_named_where_in_force(tmp_path: Path) -> None:
    registry, env = Registry(str(tmp_path)), {"FAULTLINE_REGISTRY__URL": str(tmp_path)}
    foreign = bundle("entity=a")
    version = registry.save(foreign.manifest, foreign.files)
    refused = faultline("models", "promote", version, env=env)
    assert refused.code == 1
    assert f"learned from the feature set {foreign.manifest.feature_set}" in refused.err
    assert registry.aliases("generic", "entity=a") == Aliases()
    told = faultline("models", "promote", version, "--anyway", env=env)
    assert told.code == 0, told.err
    assert registry.aliases("generic", "entity=a").champion == version
    assert f"passed over: {version}" in faultline("models", "list", env=env).err


def test_a_bundle_of_the_features_that_vectors_have_is_promoted_without_a_word(tmp_path: Path) -> None:
    registry, env = Registry(str(tmp_path)), {"FAULTLINE_REGISTRY__URL": str(tmp_path)}
    known = bundle("entity=a")
    version = registry.save(replace(known.manifest, feature_set=GENERIC.hash), known.files)
    told = faultline("models", "promote", version, env=env)
    assert (told.code, told.err) == (0, "")
    assert faultline("models", "list", env=env).err == ""
