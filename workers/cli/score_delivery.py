"""Alerts on their way out of a one-shot run: files first, then standard output, then over HTTP, with what waited."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing

from workers.cli.alerts import Alert
from workers.cli.failures import Failure
from workers.cli.score_state import StateFile
from workers.notify.carriers.files import FileCarrier
from workers.notify.errors import NotDelivered, Refused
from workers.notify.kinds.kind import Message
from workers.settings_victoriametrics import ScoreSettings

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

    def waiting(self, state: StateFile) -> int:
        """Post what waits in the state, the oldest first; how many still wait. Raises `Failure`, and then they do."""
        rows = state.undelivered()
        for number, row in enumerate(rows):
            try:
                self._post(row.id, row.time, row.entity, row.body)
            except NotDelivered as error:
                left = len(rows) - number
                raise Failure(f"{left:,} alerts could not be posted ({error}); they wait for the next run") from error
            state.delivered(row.number)
        return 0

    def now(self, alerts: Sequence[Alert]) -> None:
        """Post these, with nothing to keep them in. Raises `Failure`."""
        for row in as_rows(alerts):
            try:
                self._post(*row)
            except NotDelivered as error:
                raise Failure(
                    f"not every alert could be posted ({error}), and nothing keeps them: --state does"
                ) from error

    def _post(self, id_: str, time: int, entity: str, body: bytes) -> None:
        try:
            from workers.notify.carriers.http import HttpCarrier
        except ModuleNotFoundError as error:
            raise Failure(f"posting needs {error.name}. Install: pip install 'faultline[notify]'") from error
        with closing(HttpCarrier(_SECONDS)) as carrier:
            try:
                carrier.carry(Message(id_, body, time, entity, self._url, self._headers))
            except Refused as error:
                raise Failure(f"an alert of {entity} is refused for good: {error}") from error
