"""The HTTP connection to a cluster: verified TLS, secrets in headers alone, and what the server says about waiting."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import orjson
from opensearchpy import JSONSerializer, OpenSearch, TransportError, Urllib3HttpConnection

from workers.runtime.retry_after import waiting_time

_BUSY = (429, 502, 503, 504)
"""What a server, or a proxy before it, answers when asking again may help."""


_LONGEST_WAIT = 300.0


class AddressError(ValueError):
    """The URL cannot be used; the message says why, without its secrets."""


@dataclass(frozen=True, slots=True)
class Address:
    """A cluster and how to get in. Secrets are in no representation of it. `patience`: seconds a call is tried for."""

    url: str
    user: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
    ca_certs: str = ""
    insecure: bool = False
    timeout: float = 60.0
    patience: float = 120.0

    @classmethod
    def parse(cls, url: str, **given: Any) -> Address:
        """`https://user:password@host:9200/prefix`; user and password in `given` win. Raises AddressError."""
        try:
            parts = urlsplit(url if "://" in url else f"https://{url}")
            host, port = parts.hostname, parts.port
        except ValueError as error:
            raise AddressError("the URL of the cluster has no valid port; write https://host:9200") from error
        if parts.scheme not in ("http", "https") or not host:
            raise AddressError("the URL of the cluster must be http:// or https:// with a host: https://host:9200")
        given["user"] = given.get("user") or unquote(parts.username or "")
        given["password"] = given.get("password") or unquote(parts.password or "")
        if given.get("ca_certs") and not Path(str(given["ca_certs"])).is_file():
            raise AddressError(f"--ca-certs {given['ca_certs']}: no such file")
        at = f"{host if ':' not in host else f'[{host}]'}:{port or (443 if parts.scheme == 'https' else 9200)}"
        return cls(f"{parts.scheme}://{at}{parts.path.rstrip('/')}", **given)

    def connect(self) -> OpenSearch:
        """A client of its own, for one thread. Nothing is asked yet."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        tls: dict[str, Any] = {
            "verify_certs": not self.insecure,
            "ssl_show_warn": False,
        }
        if self.insecure:
            tls["ssl_assert_hostname"] = False  # urllib3 takes False or a name; without either the host's own
        if self.ca_certs:
            tls["ca_certs"] = self.ca_certs
        return OpenSearch(
            hosts=[{"host": parts.hostname, "port": parts.port, "url_prefix": parts.path, "use_ssl": secure}],
            connection_class=PoliteConnection,
            serializer=Json(),
            http_auth=(self.user, self.password) if self.user else None,
            headers={"authorization": f"Bearer {self.token}"} if self.token else {},
            http_compress=True,
            max_retries=0,  # retries are ours, and heed what the server asks for
            timeout=self.timeout,
            **(tls if secure else {}),
        )


class BusyError(TransportError):
    """The server has too much to do. `retry_after`: seconds it asked to be left alone for, 0 where it did not say."""

    retry_after: float = 0.0


class PoliteConnection(Urllib3HttpConnection):
    """Keeps the header Retry-After, which the client drops with all others of a refusal."""

    def perform_request(self, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        asked = kwargs.get("ignore") or ()
        kwargs["ignore"] = (*asked, *_BUSY)
        status, headers, data = super().perform_request(method, url, *args, **kwargs)
        if status in _BUSY and status not in asked:
            error = BusyError(status, *_reason(data))
            error.retry_after = waiting_time(headers.get("retry-after") or "", time.time(), _LONGEST_WAIT, 0.0)
            raise error
        return status, headers, data


class Json(JSONSerializer):
    """orjson where it can; numbers of more than 64 bits and halves of surrogates are for the slower one."""

    def loads(self, s: Any) -> Any:
        try:
            return orjson.loads(s)
        except ValueError:
            return super().loads(s)


def dump(document: object) -> bytes:
    """One line of JSON, also of what orjson does not take."""
    try:
        return orjson.dumps(document)
    except TypeError:
        return json.dumps(document, separators=(",", ":")).encode()


def _reason(data: str) -> tuple[str, Any]:
    """Type of the error, and the whole of it, as the client gives them with its own exceptions."""
    try:
        found = orjson.loads(data)
        error = found.get("error", "")
        return str(error.get("type", "") if isinstance(error, dict) else error), found
    except (ValueError, AttributeError):
        return data[:200], None


# The client logs every failed request with its URL; what matters of it is in the exception.
logging.getLogger("opensearch").setLevel(logging.CRITICAL)
