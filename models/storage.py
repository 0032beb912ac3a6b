"""Folders and object stores behind one URL, as fsspec reaches them: opened alike, and their errors in words."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import fsspec
from fsspec.implementations.local import LocalFileSystem
from fsspec.utils import get_protocol

_S3 = frozenset({"s3", "s3a"})
_OBJECT_STORES = frozenset({*_S3, "gs", "gcs", "abfs", "abfss", "az", "adl", "oci", "oss", "obs", "r2", "memory"})
"""Where a file is there once all of it was sent, and folders are but a part of names."""

_REMEMBERING = frozenset({*_S3, "gs", "gcs", "abfs", "abfss", "az"})
"""Clients that answer from listings of before, unless told not to: what other processes write would not be seen."""

_S3_PATIENCE = {"connect_timeout": 5, "read_timeout": 10, "retries": {"total_max_attempts": 1}}
"""Seconds, of botocore. s3fs tries five times by itself: with botocore's own five and its 60 s a call to a server that
hangs would take half an hour.
"""

_S3_KEYS = "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role"
_CLIENTS = frozenset({"aiobotocore", "aiohttp", "azure", "botocore", "fsspec", "gcsfs", "google", "paramiko", "s3fs"})
_REFUSALS = frozenset({"403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken"})
_CHANGED = frozenset({"412", "PreconditionFailed"})
_EMPTY = frozenset({"416", "InvalidRange"})


class Unreachable(Exception):
    """Nothing here can reach such an address. The message says the way out, and does not hold the address."""


def reach(url: str, **options: Any) -> tuple[Any, str]:
    """The file system of a URL and the path in it, `options` being its client's. Raises `Unreachable`."""
    protocol = get_protocol(url)
    if protocol in _S3 and "@" in url:
        raise Unreachable(f"an address on S3 holds no credentials. Give them as {_S3_KEYS}")
    if protocol in _REMEMBERING:
        options.setdefault("use_listings_cache", False)
    if protocol in _S3:
        waits = _S3_PATIENCE | _configured("s3") | _configured("s3a")
        options["config_kwargs"] = deepcopy(waits)  # botocore writes into what it gets
    try:
        fs, path = fsspec.core.url_to_fs(url, **options)
    except ImportError as error:
        extra = "Install: pip install 'faultline[s3]'" if protocol in _S3 else "Install what it needs"
        raise Unreachable(f"{error}. {extra}") from error
    except ValueError as error:
        raise Unreachable(f"{error}. Correct the URL, or install what it needs") from error
    except OSError as error:  # some dial at once
        raise Unreachable(reason(error)) from error
    return fs, str(path)


def _configured(protocol: str) -> dict[str, Any]:
    """What people have set of a client's `config_kwargs`: options given in code would replace all of it."""
    return dict(fsspec.config.conf.get(protocol, {}).get("config_kwargs", {}))


def is_object_store(fs: Any) -> bool:
    """Whether a put shows all of a file or nothing of it."""
    protocols = {fs.protocol} if isinstance(fs.protocol, str) else set(fs.protocol)
    return bool(protocols & _OBJECT_STORES)


def shown(fs: Any, path: str) -> str:
    """A place as people know it: with the scheme, unless it is a file of this machine."""
    return path if isinstance(fs, LocalFileSystem) else str(fs.unstrip_protocol(path))


def read_most(fs: Any, path: str, most: int) -> bytes:
    """The first `most` bytes of a file, fewer where it has fewer. Raises what the client raises."""
    try:
        return bytes(fs.cat_file(path, start=0, end=most))
    except OSError as error:
        if _code(error) in _EMPTY:  # S3 has no range of an empty object
            return b""
        raise


def must_have_bucket(fs: Any, path: str) -> None:
    """Raises what the client raises where even that is missing which an object store keeps files in."""
    if is_object_store(fs):
        try:
            fs.ls(path, detail=False)
        except FileNotFoundError as error:
            if lacks_bucket(error):
                raise


def lacks_bucket(error: BaseException) -> bool:
    """Whether what is missing is the bucket, which no write makes."""
    return _code(error) == "NoSuchBucket"


def is_of_storage(error: BaseException) -> bool:
    """Whether a client or the system raised it, and it is no bug of ours."""
    return isinstance(error, OSError) or type(error).__module__.partition(".")[0] in _CLIENTS


def is_refusal(error: BaseException) -> bool:
    """Whether the storage takes us for somebody who may not do this."""
    return isinstance(error, PermissionError) or _code(error) in _REFUSALS or "Credential" in type(error).__name__


def is_changed(error: BaseException) -> bool:
    """Whether another version of a file was put while it was being read."""
    return type(error).__name__ == "FileExpired" or _code(error) in _CHANGED


def reason(error: BaseException) -> str:
    """What went wrong, in a sentence with the way out where there is one."""
    said = " ".join(str(error).split())
    name = type(error).__name__
    if lacks_bucket(error):
        return "there is no such bucket. Create it, or correct the URL"
    if is_refusal(error) and _of_s3(error):
        return f"access is refused ({said}). Check {_S3_KEYS}, and what they may do"
    if name in ("EndpointConnectionError", "ConnectTimeoutError", "ConnectionClosedError"):
        return f"nothing answers ({said}). Is AWS_ENDPOINT_URL_S3 right, and the storage up?"
    return f"{name}: {said}"


def _code(error: BaseException) -> str:
    """What S3 calls the error; empty where it is none of S3's."""
    for one in (error, error.__cause__):
        response = getattr(one, "response", None)
        if isinstance(response, dict):
            return str(response.get("Error", {}).get("Code", ""))
    return ""


def _of_s3(error: BaseException) -> bool:
    return any(type(one).__module__.startswith("botocore") for one in (error, error.__cause__))
