"""What `faultline config check` says of storages beside Kafka and Redis: the history's database, the archive."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.util import find_spec

from workers.cli.checks import Finding
from workers.cli.failures import Failure, NoHistory
from workers.runtime.errors import WorkerError
from workers.settings import Settings


def check_history(settings: Settings) -> Iterator[Finding]:
    """Whether the history's database can be used; nothing where what speaks to databases is not installed."""
    if find_spec("sqlalchemy") is None:
        return
    from workers.cli.history_reading import open_history
    from workers.history.database import place

    try:
        where = place(settings.history.url)
        with open_history(settings, "config check"):
            yield Finding("history", "ok", f"{where} can be read, its tables are up to date")
    except NoHistory as missing:
        yield Finding("history", "ok", str(missing))
    except (Failure, WorkerError) as failure:
        yield Finding("history", "failed", str(failure), "Correct FAULTLINE_HISTORY__URL, or start its database")


def check_archive(settings: Settings) -> Iterator[Finding]:
    """Whether the archive can be reached; nothing where what writes Parquet is not installed."""
    if find_spec("pyarrow") is None:
        return
    from models.storage import is_of_storage, reason
    from workers.archive.store import ArchiveError, Store

    wayout = "Correct FAULTLINE_ARCHIVE__URL, or bring its storage back"
    try:
        store = Store(settings.archive.url)
        there = store.is_archive()
    except ArchiveError as error:
        yield Finding("archive", "failed", str(error), wayout)
        return
    except Exception as error:
        if not is_of_storage(error):
            raise
        yield Finding("archive", "failed", f"{store.shown}: {reason(error)}", wayout)
        return
    found = f"{store.shown} is one" if there else f"none in {store.shown} yet; `faultline worker archive` begins it"
    yield Finding("archive", "ok", found)
