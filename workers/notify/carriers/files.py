"""Messages as files of a folder, each whole or not there; the same message gives the same file again."""

from __future__ import annotations

import os
import re
from pathlib import Path

from schemas.ids import stable_id
from schemas.times import format_time
from workers.notify.errors import Unreachable
from workers.notify.kinds.kind import Message


class FileCarrier:
    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def carry(self, message: Message) -> None:
        place = self._folder / file_name(message)
        whole = place.with_suffix(".part")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with whole.open("wb") as file:
                file.write(message.body + b"\n")
                file.flush()
                os.fsync(file.fileno())
            whole.replace(place)
        except OSError as error:
            raise Unreachable(f"{place}: {error.strerror}") from error

    def close(self) -> None:
        pass


def file_name(message: Message) -> str:
    """`2026-03-01T120030.000000Z-<id>.json`: in the order of event time, and nothing that others chose in it."""
    id = message.id if re.fullmatch("[0-9a-f]{32}", message.id) else stable_id(message.id)
    return f"{format_time(message.time).replace(':', '')}-{id}.json"
