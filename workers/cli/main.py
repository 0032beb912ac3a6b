"""The `faultline` command: what it offers, loaded only when it is called, and one place where errors become words.

A new command is one file `workers/cli/<name>.py` with an `app`, plus one line in `COMMANDS`.
"""

from __future__ import annotations

import importlib
import sys
from contextlib import nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

RUN, OPERATE, LEARN = "Run", "Operate", "Learn and judge"


@dataclass(frozen=True, slots=True)
class Entry:
    """One command: its module below `workers.cli` (which has an `app`), its line in the overview, its extra."""

    name: str
    module: str
    panel: str
    help: str
    extra: str = ""


COMMANDS = (
    Entry("demo", "demo", RUN, "Watch telemetry become incidents: needs no Kafka and no Redis.", "demo"),
    Entry(
        "worker",
        "worker",
        RUN,
        "Run one worker: intake, windows, scoring, incidents, groups, notify, history, archive.",
    ),
    Entry("source", "source", RUN, "Send telemetry: of this host, made up, from files, or from a store.", "sources"),
    Entry("attack", "attack", RUN, "Strain this machine, harmlessly and bounded, to see that it is noticed."),
    Entry("topics", "topics", OPERATE, "Create the topics as the workers need them, or compare them."),
    Entry("config", "config", OPERATE, "Check the settings against everything they name, or show them."),
    Entry("status", "status", OPERATE, "Groups, owners, lag, oldest watermark and models."),
    Entry("drift", "drift", OPERATE, "Tell whether telemetry is still like what the models were trained on."),
    Entry("deadletter", "deadletter", OPERATE, "List, read and replay records that could not be processed."),
    Entry("scores", "scores", OPERATE, "Follow the scores as they are committed."),
    Entry("incidents", "incidents", OPERATE, "Follow incidents, and look into their history."),
    Entry("archive", "archive", OPERATE, "Look into the archive, merge files, let days go, erase.", "archive"),
    Entry("feedback", "feedback", OPERATE, "Say false alarm, real or expected; list it, take it back, export it."),
    Entry("silence", "silence", OPERATE, "Keep pages back for a while: silence rules and maintenance windows."),
    Entry("compile", "compile", OPERATE, "Compile the workers' inner loops now, for images and quick first starts."),
    Entry("schemas", "schemas", OPERATE, "Print the Avro and JSON schemas of every record."),
    Entry("train", "train", LEARN, "Fit models on telemetry and put them into the registry.", "train"),
    Entry("templates", "templates", LEARN, "Mine, show and try templates of log messages.", "sources"),
    Entry("outputs", "outputs", LEARN, "See what commands have left on disk, and let what is old go."),
    Entry("models", "models", LEARN, "List, show, compare and promote models of the registry."),
    Entry("backtest", "backtest", LEARN, "Train on the past, score what came after as the workers would.", "train"),
    Entry("score", "score", LEARN, "Score files or a metrics server once, without Kafka: alerts as JSON.", "sources"),
    Entry("evaluate", "evaluate", LEARN, "Judge scores against labels.", "train"),
    Entry(
        "opensearch",
        "opensearch",
        LEARN,
        "Learn from indices: download, clean, train, test.",
        "opensearch",
    ),
)


class LazyGroup(TyperGroup):
    """The overview from `COMMANDS`; a command's module is imported only when that command is called."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self._entries = {entry.name: entry for entry in COMMANDS}
        for entry in COMMANDS:
            self.add_command(TyperCommand(entry.name, help=entry.help, rich_help_panel=entry.panel))

    def list_commands(self, ctx: Any) -> list[str]:
        return list(self._entries)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, (load(self._entries[name]) if name in self._entries else command), rest


def load(entry: Entry) -> Any:
    """Import a command. Where a library of an extra is missing, says which extra to install."""
    from workers.cli.extras import needing

    with needing(f"faultline {entry.name}", entry.extra) if entry.extra else nullcontext():
        module = importlib.import_module(f"workers.cli.{entry.module}")
    command = get_command(module.app)
    command.name = entry.name
    return _dressed(command)


def _dressed(command: Any) -> Any:
    """The same look for every command: help texts flow as Markdown, and completion is offered at the top only."""
    command.rich_markup_mode = "markdown"
    command.params = [param for param in command.params if param.name not in ("install_completion", "show_completion")]
    for inner in getattr(command, "commands", {}).values():
        _dressed(inner)
    return command


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=True,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"faultline {version('faultline')}")
        raise typer.Exit


@app.callback()
def faultline(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Turn telemetry on Kafka into calibrated anomaly scores and incidents, exactly once.

    Settings come from variables FAULTLINE_… or the YAML file that FAULTLINE_CONFIG names
    (`faultline config show` lists them). Exit codes: 0 good, 1 failed, 2 wrong use.

    Example: faultline demo
    """


def main() -> None:
    """Run the command line. Expected failures end in one line that says what to do; only bugs show a traceback."""
    try:
        app(prog_name="faultline")
    except Exception as error:
        explained = _explain(error)
        if explained is None:
            raise
        _fail(*explained)


def _explain(error: Exception) -> tuple[str, int] | None:
    """Words and exit code for an error that an operator can do something about; None for a bug."""
    from workers.cli.failures import explain

    return explain(error)


def _fail(message: str, code: int) -> NoReturn:
    from workers.addresses import without_secrets

    for line in without_secrets(message).splitlines():
        print(f"faultline: {line}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
