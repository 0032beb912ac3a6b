"""Requests to a server that speaks Prometheus' HTTP API: bounded in time and size, repeated, behind a breaker."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx2
import pybreaker
import structlog
from tenacity import RetryCallState, Retrying, retry_if_exception, stop_after_attempt, wait_random_exponential

from workers.runtime.bounded import Abandoned, Bounded, Overrun
from workers.runtime.clock import Clock, SystemClock
from workers.settings_victoriametrics import VictoriaMetricsSettings
from workers.sources.stopping import Interrupted, sleep_unless
from workers.sources.victoriametrics.answers import Series, judge, read_answer, series_of, server_time
from workers.sources.victoriametrics.errors import Away, Refused, Resting, Slow, TooMuch

log = structlog.get_logger(__name__)
logging.getLogger("httpx2").setLevel(logging.WARNING)  # it tells whole addresses otherwise

_MAX_BYTES = 256 << 20
_GRACE = 1.0
"""Seconds beyond the time-out after which a request is given up that the client itself did not end."""
_SKEW = 30.0


class _Answer(NamedTuple):
    status: int
    body: bytes
    retry_after: str
    date: str


class Clocks(NamedTuple):
    """The server's clock as an answer told it, and ours before and after; epoch seconds."""

    theirs: float
    before: float
    after: float


class Client:
    """Use as a context manager. Every method raises `SourceError`: `Away` after `retries`, `TooMuch`, `Refused`.

    Once `stopped()` is true nothing is waited for any more, an answer neither: what would have to be raises
    `Interrupted`.
    Nothing that it says holds the address's user information or query, or any header.
    """

    def __init__(
        self,
        settings: VictoriaMetricsSettings,
        clock: Clock | None = None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._settings = settings
        self._clock = clock or SystemClock()
        self._stopped = stopped
        parts = urlsplit(settings.url)
        self._base = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))
        self._http = self._new_client()
        self._bounded = Bounded("metrics-http")
        self._behind = 0.0
        self.clock: Clocks | None = None
        self._told: set[str] = set()
        self._breaker = pybreaker.CircuitBreaker(
            fail_max=settings.breaker_failures,
            reset_timeout=settings.breaker_pause_s,
            exclude=[Refused, TooMuch],  # whoever answers so is there
            throw_new_error_on_trip=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._bounded.close()
        self._http.close()

    @property
    def where(self) -> str:
        """The address, for people: without anything secret."""
        return self._base

    def now(self) -> float:
        """Epoch seconds, by the server's clock where that is behind ours: it has nothing newer."""
        return self._clock.time() - self._behind

    def query(self, query: str, at: float | None = None) -> list[Series]:
        """The value of each series at one moment (epoch seconds; None: now)."""
        form = {"query": query} | ({"time": _seconds(at)} if at is not None else {})
        return series_of(self._ask("/api/v1/query", form))

    def query_range(self, query: str, start: int, end: int, step: int) -> list[Series]:
        """Values at start, start + step … end (epoch seconds). Of several moments `Slow` is raised at once."""
        form = {"query": query, "start": str(start), "end": str(end), "step": str(step)}
        # VictoriaMetrics would move start and end to where its cache has them, else.
        at_once = (Resting, Slow) if end > start else (Resting,)
        return series_of(self._ask("/api/v1/query_range", form | {"nocache": "1"}, at_once=at_once))

    def label_values(self, label: str, start: int, end: int) -> list[str]:
        """What a label says in that time (epoch seconds), sorted."""
        query = {"start": str(start), "end": str(end)}
        found = self._ask(f"/api/v1/label/{quote(label)}/values", query, get=True)
        if not isinstance(found, list):
            raise Refused("the answer cannot be understood")
        return sorted(str(one) for one in found)

    def version(self) -> str:
        """What the server says that it is; of VictoriaMetrics, which does not, its name."""
        found = self._ask("/api/v1/status/buildinfo", {}, get=True)
        version = found.get("version") if isinstance(found, dict) else None
        return f"Prometheus {version}" if version else "VictoriaMetrics"

    def _ask(
        self,
        path: str,
        form: Mapping[str, str],
        get: bool = False,
        at_once: tuple[type[Away], ...] = (Resting,),
    ) -> Any:
        """Once, and again where that may help; not after the errors `at_once`."""
        attempts = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, Away) and not isinstance(error, at_once)),
            stop=stop_after_attempt(self._settings.retries + 1),
            wait=_wait,
            before_sleep=_said,
            sleep=lambda seconds: sleep_unless(self._stopped, seconds, self._clock),
            reraise=True,
        )
        return attempts(self._through_breaker, lambda: self._once(path, form, get))

    def _through_breaker(self, call: Callable[[], Any]) -> Any:
        try:
            return self._breaker.call(call)
        except pybreaker.CircuitBreakerError:
            failures, pause = self._settings.breaker_failures, self._settings.breaker_pause_s
            raise Resting(f"{failures} requests in a row failed: the server is left alone for {pause:g} s") from None

    def _once(self, path: str, form: Mapping[str, str], get: bool) -> Any:
        seconds, before = self._settings.timeout_s, self._clock.time()
        try:
            http = self._http
            send = lambda: self._send(http, path, form, get)  # noqa: E731
            answer: _Answer = self._bounded.run(send, seconds + _GRACE, self._stopped)
        except Abandoned:
            raise Interrupted from None
        except (Overrun, httpx2.TimeoutException) as error:
            if isinstance(error, Overrun):
                self._http.close()
                self._http = self._new_client()
            if isinstance(error, httpx2.ConnectTimeout):
                raise Away(f"no connection within {seconds:g} s") from None
            raise Slow(f"no answer within {seconds:g} s") from None
        except httpx2.ConnectError as error:
            if "CERTIFICATE" in str(error):
                raise Refused(
                    f"its certificate is not trusted ({_reason(error)}): name its authority in "
                    "FAULTLINE_VICTORIAMETRICS__CA_PATH"
                ) from None
            raise Away(f"cannot be reached: {_reason(error)}") from None
        except httpx2.InvalidURL:
            raise Refused("the address cannot be used") from None
        except (httpx2.HTTPError, OSError) as error:
            raise Away(f"the connection broke ({type(error).__name__})") from None
        problem = judge(answer.status, answer.body, answer.retry_after, self._clock.time())
        if problem is not None:
            raise problem
        self._compare_clocks(answer.date, before)
        warned: list[str] = []
        data = read_answer(answer.body, warned)
        for text in warned:
            if text not in self._told:
                self._told.add(text)
                log.warning("the server warns", text=text)
        return data

    def _send(self, http: httpx2.Client, path: str, form: Mapping[str, str], get: bool) -> _Answer:
        url = self._base + path
        # A part of an answer is refused where a cluster (VictoriaMetrics, Thanos) would give one.
        whole = {"deny_partial_response": "1", "partial_response": "false", **form}
        request = http.build_request("GET", url, params=whole) if get else http.build_request("POST", url, data=whole)
        response = http.send(request, stream=True)
        try:
            body = bytearray()
            for part in response.iter_bytes():
                body += part
                if len(body) > _MAX_BYTES:
                    raise TooMuch(f"an answer of more than {_MAX_BYTES >> 20} MiB")
            headers = response.headers
            return _Answer(response.status_code, bytes(body), headers.get("Retry-After", ""), headers.get("Date", ""))
        finally:
            response.close()

    def _compare_clocks(self, date: str, before: float) -> None:
        theirs = server_time(date)
        if theirs is None:
            return
        self.clock = Clocks(theirs, before - 1.0, self._clock.time())  # a Date has whole seconds
        self._behind = max(0.0, self.clock.before - theirs)
        if self._behind > _SKEW and "clock" not in self._told:
            self._told.add("clock")
            log.warning("the server's clock is behind ours: going by its", seconds=round(self._behind))

    def _new_client(self) -> httpx2.Client:
        s, parts = self._settings, urlsplit(self._settings.url)
        headers = {name: value.get_secret_value() for name, value in s.headers.items()}
        if s.token.get_secret_value():
            headers["Authorization"] = f"Bearer {s.token.get_secret_value()}"
        auth = None
        if s.username or parts.username:
            password = s.password.get_secret_value() or unquote(parts.password or "")
            auth = httpx2.BasicAuth(s.username or unquote(parts.username or ""), password)
        try:
            verify = ssl.create_default_context(cafile=s.ca_path) if s.ca_path else ssl.create_default_context()
        except OSError as error:
            raise Refused(f"FAULTLINE_VICTORIAMETRICS__CA_PATH: {s.ca_path} cannot be read ({error})") from error
        return httpx2.Client(
            timeout=s.timeout_s,
            follow_redirects=False,
            headers={"User-Agent": "faultline", **headers},
            auth=auth,
            verify=verify,
        )


def _wait(state: RetryCallState) -> float:
    """As long as the server asked for, or a random time that doubles."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.wait if isinstance(error, Away) else 0.0
    return max(asked, wait_random_exponential(multiplier=0.2, max=10)(state))


def _said(state: RetryCallState) -> None:
    error = state.outcome.exception() if state.outcome else None
    log.info("asking once more", reason=str(error))


def _reason(error: Exception) -> str:
    """Why there is no connection: certificates, names, refusals; without the address."""
    text = str(error)
    return text if "://" not in text else type(error).__name__


def _seconds(moment: float) -> str:
    return f"{moment:.3f}"
