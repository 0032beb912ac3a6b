"""The archive for commands: opened, and what its storage raises told in words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from models.storage import is_of_storage, lacks_bucket, reason
from workers.archive.store import Store
from workers.cli.failures import Failure

SETTING = "FAULTLINE_ARCHIVE__URL"


@contextmanager
def opened(url: str) -> Iterator[Store]:
    """An archive that was begun before. Raises `Failure` for whatever its storage raises within the block."""
    store = Store(url)
    with in_words(store):
        store.must_be_archive()
        yield store


@contextmanager
def in_words(store: Store) -> Iterator[None]:
    """Raises `Failure` with the place, the reason and the setting for whatever a storage raises within the block."""
    try:
        yield
    except Exception as error:
        if not is_of_storage(error):
            raise
        if isinstance(error, FileNotFoundError) and not lacks_bucket(error):
            raise Failure(f"{store.shown}: a file vanished meanwhile; run it again ({error})") from error
        raise Failure(f"{store.shown} ({SETTING}): {reason(error)}") from error
