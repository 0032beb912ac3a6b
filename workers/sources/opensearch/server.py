"""Questions to a cluster, asked again while that may help, and answered in words where it does not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from opensearchpy import (
    AuthenticationException,
    AuthorizationException,
    ConnectionError,
    ConnectionTimeout,
    NotFoundError,
    SSLError,
    TransportError,
)
from tenacity import RetryCallState, Retrying, retry_if_exception

from workers.runtime.bounded import Abandoned, Bounded
from workers.runtime.clock import SystemClock
from workers.sources.opensearch.connection import Address, BusyError
from workers.sources.opensearch.contact import Contact
from workers.sources.opensearch.trouble import error_of, is_nobody_there, is_passing, is_too_large, patient, said
from workers.sources.stopping import Interrupted, sleep_unless

Answer = TypeVar("Answer")
_FIRST_PATIENCE = 3.0
"""Seconds in which nobody listens at an address, or nobody knows its name, before it counts as mistyped."""

_CLOCK = SystemClock()


class ServerError(RuntimeError):
    """The cluster cannot be used, or not now; the message says what to do."""


class ExpiredError(ServerError):
    """A scroll or a point in time is gone: open another one."""


class UnsupportedError(ServerError):
    """The server knows no such request, or does not let this user make it."""


class TooLargeError(ServerError):
    """The server, or the time-out, could not stand that much at once: ask for less."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One shard of one index."""

    index: str
    number: int

    @property
    def params(self) -> dict[str, Any]:
        """Where a search of it is to go. Part of an answer is none: rows would be missing without a word."""
        return {"preference": f"_shards:{self.number}"}


class Server:
    """One client, for one thread. Calls wait `Address.patience` seconds for a cluster that is away or busy.

    An address at which nobody has ever answered, and nobody listens now, is given up after a few. `stopped` ends all
    waiting early, that for an answer included, by `Interrupted`. Raises `ServerError` throughout.
    """

    def __init__(
        self, address: Address, stopped: Callable[[], bool] = lambda: False, contact: Contact | None = None
    ) -> None:
        self.address = address
        self._contact = contact or Contact()
        self._client = address.connect()
        self._stopped = stopped
        self._bounded = Bounded("opensearch")

    def close(self) -> None:
        self._bounded.close()
        self._client.close()

    def version(self) -> str:
        """Such as `opensearch 2.19.1`."""
        found = self._ask("asking for the version", lambda: self._client.info())
        version = found.get("version") if isinstance(found, dict) else None
        if not isinstance(version, dict) or "number" not in version:
            raise ServerError(f"{self.address.url} answers, but not as OpenSearch does; check --es-url")
        return f"{version.get('distribution', 'elasticsearch')} {version['number']}"

    def indices(self) -> list[dict[str, Any]]:
        """Name, documents, bytes, primary shards and health of every index, by name."""
        columns = "index,docs.count,store.size,pri,health,status,uuid,creation.date"
        params = {"format": "json", "bytes": "b", "h": columns, "s": "index", "expand_wildcards": "all"}
        rows: list[dict[str, Any]] = self._ask("listing the indices", lambda: self._client.cat.indices(params=params))
        return rows

    def resolve(self, name: str) -> list[str]:
        """The indices behind a name: of an alias or a data stream several; none where there is no such thing."""
        try:
            found = self._ask(f"looking for {name}", lambda: self._client.indices.get_settings(index=name))
        except ExpiredError:  # not found
            return []
        return sorted(found)

    def settings(self, index: str) -> tuple[int, str]:
        """Primary shards and uuid of an index."""
        found = self._ask(f"looking at {index}", lambda: self._client.indices.get_settings(index=index))
        settings = found[index]["settings"]["index"]
        return int(settings["number_of_shards"]), str(settings["uuid"])

    def count(self, index: str) -> int:
        """Documents in an index as the server counts them now."""
        found = self._ask(f"counting {index}", lambda: self._client.count(index=index))
        return int(found["count"])

    def refresh(self, index: str) -> None:
        """Make what was written a moment ago readable, if this user may."""
        try:
            self._ask(f"refreshing {index}", lambda: self._client.indices.refresh(index=index))
        except UnsupportedError:
            return

    def field_type(self, index: str, field: str) -> str | None:
        """How an index maps a field: date, long, text …; None where it does not."""
        found = self._ask(
            f"looking at {field} of {index}",
            lambda: self._client.indices.get_field_mapping(fields=field, index=index),
        )
        mapping = found.get(index, {}).get("mappings", {}).get(field, {}).get("mapping", {})
        return next((str(one.get("type")) for one in mapping.values()), None)

    def open_point(self, shard: Shard, keep: str) -> str:
        """Id of a new point in time over one shard."""
        params = {**shard.params, "keep_alive": keep}
        found = self._ask(
            f"opening a point in time of {shard.index}",
            lambda: self._client.create_pit(index=shard.index, params=params),
        )
        return str(found["pit_id"])

    def close_point(self, point: str) -> None:
        """Let go of a point in time; that it is gone already does not matter."""
        self._quietly(lambda: self._client.delete_pit(body={"pit_id": [point]}))

    def search_point(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A page of a point in time, which the body names."""
        params = {"allow_partial_search_results": "false"}
        return self._whole(self._ask("reading", lambda: self._client.search(body=dict(body), params=params)))

    def open_scroll(self, shard: Shard, body: Mapping[str, Any], keep: str) -> dict[str, Any]:
        """The first page of a scroll over one shard, and its id."""
        params = {**shard.params, "scroll": keep, "allow_partial_search_results": "false"}
        search = lambda: self._client.search(index=shard.index, body=dict(body), params=params)  # noqa: E731
        return self._whole(self._ask(f"reading {shard.index}", search))

    def scroll(self, scroll: str, keep: str) -> dict[str, Any]:
        """The next page. Never asked again: a page that was lost on the way would be left out."""
        body = {"scroll_id": scroll, "scroll": keep}
        try:
            return self._whole(self._run(lambda: self._client.scroll(body=body)))
        except (ConnectionError, BusyError) as error:
            if isinstance(error, SSLError):
                raise self._explained("reading", error) from error
            raise ExpiredError(f"the scroll broke off: {said(error)}") from error
        except TransportError as error:
            raise self._explained("reading", error) from error

    def close_scroll(self, scroll: str) -> None:
        self._quietly(lambda: self._client.clear_scroll(body={"scroll_id": [scroll]}))

    def search(self, shard: Shard, body: Mapping[str, Any]) -> dict[str, Any]:
        """A search of one shard as it is now."""
        params = {**shard.params, "allow_partial_search_results": "false"}
        search = lambda: self._client.search(index=shard.index, body=dict(body), params=params)  # noqa: E731
        return self._whole(self._ask(f"reading {shard.index}", search))

    def _whole(self, answer: dict[str, Any]) -> dict[str, Any]:
        failed = answer.get("_shards", {}).get("failed", 0)
        if failed or answer.get("timed_out"):
            raise ExpiredError(f"{failed} shards gave no answer")
        return answer

    def _quietly(self, call: Callable[[], object]) -> None:
        """Where stopped, for a moment alone."""
        with suppress(TransportError, Interrupted):
            self._run(call)

    def _run(self, call: Callable[[], Answer]) -> Answer:
        try:
            answer: Answer = self._bounded.run(call, stopped=self._stopped)
        except Abandoned:
            raise Interrupted from None
        return answer

    def _ask(self, doing: str, call: Callable[[], Answer]) -> Answer:
        retrying = Retrying(
            retry=retry_if_exception(is_passing),
            wait=patient,
            stop=self._is_enough,
            before_sleep=self._tell,
            sleep=lambda seconds: sleep_unless(self._stopped, seconds, _CLOCK),
            reraise=True,
        )
        try:
            return retrying(lambda: self._noted(call))
        except TransportError as error:
            raise self._explained(doing, error) from error

    def _noted(self, call: Callable[[], Answer]) -> Answer:
        """The answer, with a note that there was one; a refusal is one as well."""
        try:
            answer = self._run(call)
        except TransportError as error:
            if not isinstance(error, (ConnectionError, BusyError)):
                self._contact.answered()
            self._contact.reached |= not isinstance(error, ConnectionError)
            raise
        self._contact.answered()
        return answer

    def _is_enough(self, state: RetryCallState) -> bool:
        """Whether asking again is given up."""
        patience = self.address.patience
        if not self._contact.reached and is_nobody_there(error_of(state)):
            patience = min(patience, _FIRST_PATIENCE)
        return (state.seconds_since_start or 0.0) >= patience

    def _tell(self, state: RetryCallState) -> None:
        error = error_of(state)
        how = "is busy" if isinstance(error, BusyError) else "cannot be reached"
        words = said(error) if isinstance(error, TransportError) else str(error)
        patience = f"{self.address.patience:.0f} s" if self._contact.reached else "a moment"
        self._contact.waits(f"{self.address.url} {how} ({words}); asking again for {patience}")

    def _explained(self, doing: str, error: TransportError) -> ServerError:
        at = self.address.url
        if isinstance(error, SSLError):
            return ServerError(
                f"{at}: the certificate was not accepted ({said(error)}). Name the authority with --ca-certs, "
                "or take any certificate with --insecure"
            )
        if isinstance(error, ConnectionTimeout):
            return TooLargeError(f"{at} did not answer within {self.address.timeout:.0f} s while {doing}")
        if isinstance(error, ConnectionError):
            return ServerError(f"{at} cannot be reached while {doing}: {said(error)}. Check --es-url")
        if isinstance(error, AuthenticationException):
            return ServerError(
                f"{at} wants other credentials while {doing}: give --user and --password-file, or set "
                "FAULTLINE_OPENSEARCH__USER and FAULTLINE_OPENSEARCH__PASSWORD"
            )
        if isinstance(error, AuthorizationException):
            return UnsupportedError(f"{at} does not allow {doing} to this user: {said(error)}")
        if is_too_large(error):
            return TooLargeError(f"{at} has too little memory for {doing}: {said(error)}")
        if isinstance(error, BusyError):
            return ServerError(
                f"{at} was too busy for {self.address.patience:.0f} s while {doing}: {said(error)}. Try again later"
            )
        if isinstance(error, NotFoundError):
            return ExpiredError(f"{at}, {doing}: {said(error)}")
        if error.status_code in (400, 405):
            return UnsupportedError(f"{at} refused {doing}: {said(error)}")
        return ServerError(f"{at}: {doing} failed with {said(error)}")
