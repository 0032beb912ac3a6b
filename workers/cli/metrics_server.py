"""The metrics server as commands meet it: made from settings, its errors in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from workers.cli.failures import Failure, WrongUse
from workers.queries.errors import QueryFileError
from workers.settings import Settings
from workers.settings_victoriametrics import VictoriaMetricsSettings
from workers.sources.stopping import Interrupted
from workers.sources.victoriametrics.build import wanted_of
from workers.sources.victoriametrics.client import Client
from workers.sources.victoriametrics.collect import Wanted
from workers.sources.victoriametrics.errors import SourceError


@contextmanager
def metrics_client(settings: VictoriaMetricsSettings, stopped: Callable[[], bool] = lambda: False) -> Iterator[Client]:
    """A client; whatever goes wrong with it inside is a `Failure` that names the server, and so is a stop."""
    try:
        with Client(settings, stopped=stopped) as client:
            try:
                yield client
            except SourceError as error:
                raise Failure(f"{client.where}: {error}") from error
            except Interrupted:
                raise Failure(f"stopped while {client.where} was waited for") from None
    except SourceError as error:
        raise Failure(str(error)) from error


def wanted(settings: Settings, services: Sequence[str] = (), step: int = 0) -> Wanted:
    """What the settings' queries ask for. Raises WrongUse where their file cannot be used."""
    try:
        return wanted_of(settings.victoriametrics, [one for text in services for one in text.split(",") if one], step)
    except QueryFileError as error:
        raise WrongUse(str(error)) from error


def with_options(settings: Settings, queries: str, filter_: str) -> Settings:
    """The settings with what a command's options say instead."""
    said = {name: value for name, value in (("queries", queries), ("filter", filter_)) if value}
    return settings.model_copy(update={"victoriametrics": settings.victoriametrics.model_copy(update=said)})
