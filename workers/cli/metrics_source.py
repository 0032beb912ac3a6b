"""`faultline source victoriametrics`: metrics of services out of VictoriaMetrics or Prometheus."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from workers.cli.extras import needing
from workers.cli.failures import WrongUse
from workers.cli.voice import Voice
from workers.runtime.logs import configure
from workers.settings import load_settings


def victoriametrics(
    save_data: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|FOLDER", help="Write tables for `faultline train`: one .parquet, or one a service; no Kafka."
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="Go on with every step as it comes, until stopped.")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="Only see whether the server answers, and each query.")
    ] = False,
    list_services: Annotated[
        bool, typer.Option("--list", help="Only list the services that have values now, with their categories.")
    ] = False,
    service: Annotated[list[str] | None, typer.Option(help="Only this service; several times, or with commas.")] = None,
    since: Annotated[
        str, typer.Option(help="From when on: 30d, 12h, or a time. Default: the look-back; with --live from now on.")
    ] = "",
    until: Annotated[str, typer.Option(help="To when: a span ago, or a time. Default: now.")] = "",
    step: Annotated[int, typer.Option(min=0, help="Seconds between two values; 0: as the settings say.")] = 0,
    queries: Annotated[str, typer.Option(help="YAML file of queries, or a set: otel, spanmetrics, http.")] = "",
    filter_: Annotated[str, typer.Option("--filter", help='Label matchers for {filter}, such as env="prod".')] = "",
    source_id: Annotated[str, typer.Option("--id", help="Under which name the position is kept.")] = "victoriametrics",
    restart: Annotated[bool, typer.Option("--restart", help="Forget the position: what was sent comes again.")] = False,
    no_end: Annotated[bool, typer.Option("--no-end", help="Leave the last windows open: more will follow.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was done as JSON on standard output.")] = False,
) -> None:
    """Take the metrics of services out of VictoriaMetrics or Prometheus: for training, or into Kafka exactly once.

    The server is FAULTLINE_VICTORIAMETRICS__URL (or VM_ENDPOINT). Events go to the canonical topic in one transaction
    with the position behind them: started again, it goes on there. docs/victoriametrics.md tells of queries.

    Example: faultline source victoriametrics --save-data training/ && faultline train training/
    """
    if live and (save_data is not None or until):
        raise WrongUse("--live sends to Kafka and has no end: leave out --save-data and --until")
    if save_data is not None and (restart or no_end):
        raise WrongUse("--restart and --no-end are for Kafka, and --save-data sends nothing there")
    voice = Voice.of(quiet, as_json)
    with needing("faultline source victoriametrics", "sources"):
        from workers.cli.metrics_jobs import Wish, fetch
        from workers.cli.metrics_jobs import check as check_server
        from workers.cli.metrics_jobs import list_services as list_them
        from workers.cli.metrics_server import with_options
    settings = with_options(load_settings(), queries, filter_)
    configure("warning" if quiet else "info", settings.log.format)
    end = not no_end and not live
    wish = Wish(service or [], since, until, step, save_data, live, source_id, restart, end)
    if check:
        check_server(settings, voice)
    elif list_services:
        list_them(settings, wish, voice)
    else:
        fetch(settings, wish, voice)
