"""Alerts on their way out of a one-shot run: files first, then standard output, then over HTTP, with what waited."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from workers.cli.alerts import Alert
from workers.cli.extras import needing
from workers.cli.failures import Failure
from workers.cli.score_state import StateFile
from workers.notify.carriers.files import FileCarrier
from workers.notify.errors import NotDelivered, Refused
from workers.notify.kinds.kind import Message
from workers.settings_victoriametrics import ScoreSettings

if TYPE_CHECKING:
    from workers.notify.carriers.http import HttpCarrier

_SECONDS = 10.0


def write_files(folder: str, alerts: Sequence[Alert]) -> None:
    """Each alert in a file of its own; the same alert is the same file. Raises `Failure`."""
    carrier = FileCarrier(folder)
    try:
        for alert in alerts:
            carrier.carry(alert.message)
    except NotDelivered as error:
        raise Failure(f"the alerts cannot be written: {error}") from error


def as_rows(alerts: Sequence[Alert]) -> list[tuple[str, int, str, bytes]]:
    """Alerts as what is to be delivered."""
    messages = [alert.message for alert in alerts]
    return [(one.id, one.time, one.key, one.body) for one in messages]


class Post:
    """Where alerts are posted. Nothing that it says holds the address's secrets."""

    def __init__(self, settings: ScoreSettings) -> None:
        token = settings.token.get_secret_value()
        self._url, self._headers = settings.post_to, {"Authorization": f"Bearer {token}"} if token else {}

    def waiting(self, state: StateFile) -> None:
        """Post what waits in the state, the oldest first. What is refused for good waits no longer, and is told.

        Raises `Failure`; what was not delivered waits then for the next run.
        """
        refused: list[str] = []
        rows = state.undelivered()
        with closing(self._carrier()) as carrier:
            for number, row in enumerate(rows):
                try:
                    carrier.carry(self._message(row.id, row.time, row.entity, row.body))
                except Refused as error:
                    refused.append(f"{row.entity}: {error}")
                except NotDelivered as error:
                    left = len(rows) - number
                    raise Failure(
                        f"{left:,} alerts could not be posted ({error}); they wait for the next run"
                    ) from error
                state.delivered(row.number)
        _tell(refused)

    def now(self, alerts: Sequence[Alert]) -> None:
        """Post these, with nothing to keep them in. Raises `Failure`."""
        refused: list[str] = []
        with closing(self._carrier()) as carrier:
            for id_, time, entity, body in as_rows(alerts):
                try:
                    carrier.carry(self._message(id_, time, entity, body))
                except Refused as error:
                    refused.append(f"{entity}: {error}")
                except NotDelivered as error:
                    raise Failure(
                        f"not every alert could be posted ({error}), and nothing keeps them: --state does"
                    ) from error
        _tell(refused)

    def _carrier(self) -> HttpCarrier:
        with needing("posting alerts", "notify"):
            from workers.notify.carriers.http import HttpCarrier
        return HttpCarrier(_SECONDS)

    def _message(self, id_: str, time: int, entity: str, body: bytes) -> Message:
        return Message(id_, body, time, entity, self._url, self._headers)


def _tell(refused: Sequence[str]) -> None:
    if refused:
        raise Failure(f"{len(refused):,} alerts are refused for good, the first one of {refused[0]}")
