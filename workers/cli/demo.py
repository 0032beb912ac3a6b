"""`faultline demo`: telemetry becomes incidents on one machine, with nothing to install or set up."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from workers.cli.failures import Failure, WrongUse
from workers.demo.children import ChildDied
from workers.demo.learning import LearningFailed
from workers.demo.live import show_host
from workers.demo.playing import Stuck
from workers.demo.show import show
from workers.sources.publish import PublishError
from workers.sources.stopping import Interrupted, stop_on_signals

app = typer.Typer(rich_markup_mode="rich")


@app.command()
def demo(
    host: Annotated[
        bool, typer.Option("--host", help="Watch this machine's own metrics instead, live, until Ctrl-C.")
    ] = False,
    services: Annotated[int, typer.Option(min=1, max=8, help="How many services the demo has.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Another seed, other noise and other anomalies.")] = 7,
    interval: Annotated[float, typer.Option(min=0.2, help="With --host: seconds between two samples.")] = 1.0,
    output_dir: Annotated[Path, typer.Option(help="Folder for the pictures.")] = Path("out/demo"),
) -> None:
    """Watch telemetry become incidents: needs no Kafka and no Redis.

    Starts an embedded broker, a Redis and the workers as processes of their own, learns seven synthetic days of six
    services, then plays one more day with anomalies in it. Incidents are told as they open and resolve; at the end
    what was true stands beside what was found. About a minute. Nothing is left running.

    Example: faultline demo

    Example: faultline demo --host
    """
    console = Console(highlight=False, soft_wrap=True)
    try:
        with stop_on_signals() as stop:
            if host:
                show_host(console, stop, interval)
            else:
                _check_folder(output_dir)
                show(console, stop, services, seed, output_dir)
    except Interrupted as error:
        raise Failure("stopped before the end; every process of the demo has ended") from error
    except (ChildDied, LearningFailed, Stuck, PublishError, FileNotFoundError) as error:
        raise Failure(str(error)) from error


def _check_folder(folder: Path) -> None:
    """Better now than after a minute."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WrongUse(f"--output-dir {folder}: {error.strerror}") from error
