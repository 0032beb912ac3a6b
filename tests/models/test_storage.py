"""Storages behind a URL: what is opened how, and what is said where nothing can be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import fsspec
import pytest

from models.storage import Unreachable, is_object_store, is_of_storage, reach, read_most, reason, shown


def test_an_object_store_is_asked_anew_each_time() -> None:
    fs, path = reach("s3://bucket/models")
    assert (path, shown(fs, path)) == ("bucket/models", "s3://bucket/models")
    assert is_object_store(fs)
    assert not fs.dircache.use_listings_cache


def test_a_server_that_hangs_is_waited_for_by_seconds_and_what_people_have_set_holds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    set_by_people = {"read_timeout": 3, "s3": {"addressing_style": "path"}}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": set_by_people})
    waits = reach("s3://bucket/models")[0].config_kwargs
    assert waits == {"connect_timeout": 5, "retries": {"total_max_attempts": 1}} | set_by_people


def test_what_a_client_writes_into_its_options_stays_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    set_by_people: dict[str, Any] = {"s3": {"addressing_style": "virtual"}}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": set_by_people})
    ours = reach("s3://bucket/models")[0].config_kwargs
    ours["retries"]["mode"] = ours["s3"]["addressing_style"] = "written by botocore"
    assert set_by_people == {"s3": {"addressing_style": "virtual"}}
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 3}})
    assert reach("s3://bucket/models")[0].config_kwargs["retries"] == {"total_max_attempts": 1}


def test_a_folder_is_called_by_its_path(tmp_path: Path) -> None:
    fs, path = reach(str(tmp_path))
    assert (path, shown(fs, path)) == (str(tmp_path), str(tmp_path))
    assert not is_object_store(fs)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://AKIA0:a-secret@bucket/models", "AWS_SECRET_ACCESS_KEY"),
        ("s3://AKIA0:a/secret@bucket/models", "AWS_SECRET_ACCESS_KEY"),
        ("nosuch://bucket/models", "Correct the URL, or install what it needs"),
        ("ftp://localhost:1/models", "Connection refused"),
    ],
)
def test_what_cannot_be_reached_is_told_without_the_address(url: str, words: str) -> None:
    with pytest.raises(Unreachable, match=words) as refused:
        reach(url)
    assert "secret@" not in str(refused.value)


def test_no_more_of_a_file_is_read_than_is_asked_for() -> None:
    fs, path = reach("memory://read-most/file")
    fs.pipe_file(path, b"12345")
    assert (read_most(fs, path, 3), read_most(fs, path, 9)) == (b"123", b"12345")


def test_a_bug_is_not_taken_for_trouble_with_the_storage() -> None:
    assert is_of_storage(PermissionError(13, "Permission denied", "/models"))
    assert not is_of_storage(KeyError("x"))
    assert reason(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
