"""What can go wrong in a command and is nobody's bug: one sentence and one exit code for each."""

from __future__ import annotations

import errno

from workers.queries.errors import QueryFileError
from workers.runtime.errors import WorkerError
from workers.settings_sources import SettingsError

FAILED, WRONG_USE = 1, 2

_SURROUNDINGS = frozenset(
    {errno.ENOENT, errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT, errno.ENOTDIR, errno.EISDIR}
)
"""What the system says of files and folders that are not there, not ours, or full."""


class Failure(Exception):
    """A command that cannot do what it was asked for. The message says what to do."""


class NoHistory(Failure):
    """No worker has made the history's tables yet: nothing is wrong with the database."""


class WrongUse(Failure):
    """What was asked for makes no sense; nothing was done."""


def explain(error: Exception) -> tuple[str, int] | None:
    """(message, exit code), or None where a traceback is what helps."""
    if isinstance(error, SettingsError):
        return str(error), WRONG_USE
    if isinstance(error, (WrongUse, QueryFileError)):
        return str(error), WRONG_USE
    if isinstance(error, (Failure, WorkerError)):
        return str(error), FAILED
    if isinstance(error, OSError) and error.errno in _SURROUNDINGS:
        # Arrow's have no file name, and name the file in their text.
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}", FAILED
    return _client_error(error)


def _client_error(error: Exception) -> tuple[str, int] | None:
    """Errors of clients and storage. Imported here: they take longer to load than most commands run."""
    from confluent_kafka import KafkaException
    from redis import RedisError

    from models.logs.templates import TemplatesError
    from models.manifest import BundleError
    from models.registry import RegistryError
    from workers.archive.store import ArchiveError
    from workers.windows.profiles import ProfileError

    if isinstance(error, KafkaException):
        said = error.args[0]
        return f"Kafka: {said.str() or said.name()}. `faultline config check` tells more", FAILED
    if isinstance(error, RedisError):
        return f"Redis: {error}. `faultline config check` tells more", FAILED
    if isinstance(error, (RegistryError, BundleError)):
        return f"model registry (FAULTLINE_REGISTRY__URL): {error}", FAILED
    if isinstance(error, (TemplatesError, ProfileError)):
        return str(error), FAILED
    if isinstance(error, ArchiveError):
        return f"archive: {error}", FAILED
    return None
