"""`faultline config`: what the settings are, and whether everything they name is there and as it must be."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer

from workers.cli.output import print_json, print_table
from workers.settings import PREFIX, Settings, load_settings
from workers.settings_sources import leaves, redact, variable

app = typer.Typer(no_args_is_help=True, help="Check the settings against everything they name, or show them.")

Json = Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")]


@app.command()
def check(as_json: Json = False) -> None:
    """Connect to everything the settings name, and say what is wrong and how to put it right.

    Looks at broker, group protocol, topics, permissions, transactions, Redis and its eviction policy, registries and
    clocks. Writes nothing that a reader could see. Exit code 1 if anything failed, 2 if the settings themselves do.

    Example: FAULTLINE_KAFKA__BOOTSTRAP_SERVERS=broker:9092 faultline config check
    """
    settings = load_settings()
    from workers.cli.checks import all_findings  # the clients: a wrong setting is told without waiting for them

    findings = list(all_findings(settings))
    failed = Counter(finding.state for finding in findings)["failed"]
    if as_json:
        print_json({"ok": failed == 0, "findings": [asdict(finding) for finding in findings]})
    else:
        print_table(("check", "state", "found", "what to do"), [(f.check, f.state, f.found, f.fix) for f in findings])
    if failed:
        raise typer.Exit(1)


@app.command()
def show(
    changed: Annotated[bool, typer.Option("--changed", help="Only what differs from its default.")] = False,
    as_json: Json = False,
) -> None:
    """Every setting: its variable, its value now, and what it means. Secrets are shown as ***.

    Example: faultline config show --changed
    """
    settings = load_settings()
    shown = redact((), settings.model_dump(mode="json"))
    if as_json:
        print_json(shown)
        return
    defaults = Settings().model_dump(mode="json")
    rows = []
    for path, _ in leaves(Settings):
        value = _at(shown, path)
        if not changed or value != _at(defaults, path):
            rows.append((variable(PREFIX, path), _text(value), _description(path)))
    print_table(("variable", "value", "meaning"), rows)


def _at(tree: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def _description(path: tuple[str, ...]) -> str:
    model: Any = Settings
    for step in path[:-1]:
        model = model.model_fields[step].annotation
    return model.model_fields[path[-1]].description or ""


def _text(value: object) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, dict):
        return " ".join(f"{name}={inner}" for name, inner in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)
