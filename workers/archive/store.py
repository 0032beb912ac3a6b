"""The folder or object store that holds an archive: whole files or none, whoever dies while writing them."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, TypeVar

import orjson
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt

from models.storage import Unreachable, is_changed, is_object_store, must_have_bucket, reach
from workers.addresses import without_secrets
from workers.archive.files import KINDS, SUFFIX, File, Folder, Wanted

OURS = "_faultline"
"""Where what only we read lies; other tools leave folders with an underscore alone."""

_MARK = f"{OURS}/archive.json"
_FORMAT = 1

LOOKS = 20
"""How often we look anew before we give up on a storage whose files keep changing."""

T = TypeVar("T")


class ArchiveError(Exception):
    """The archive cannot be used as it is. The message names the place and the way out."""


class Changed(OSError):
    """Another version of a file was put while it was being read; what was read so far still holds. Read it again.

    Local files go on as they were opened; an object store has but the latest.
    """


def again(call: Callable[[], T]) -> T:
    """The call's result; it is made anew where a file that it reads is replaced meanwhile. Raises `Changed` at last."""
    return Retrying(retry=retry_if_exception_type(Changed), stop=stop_after_attempt(LOOKS), reraise=True)(call)


class Store:
    """Files by their path below the archive's root. Raises OSError and what the client library raises."""

    def __init__(self, url: str) -> None:
        """Raises `ArchiveError` where nothing can reach such an address."""
        self.shown = without_secrets(url)
        try:
            fs, root = reach(url)
        except Unreachable as error:
            raise ArchiveError(f"{self.shown}: {error}") from error
        if isinstance(fs, DirFileSystem) and isinstance(fs.fs, LocalFileSystem):
            fs, root = fs.fs, fs._join(root)
        self._fs: Any = fs
        self._root = root.rstrip("/")
        self._local = isinstance(fs, LocalFileSystem)
        self._puts_whole = is_object_store(fs)

    # -- whether it is one --------------------------------------------------------------------------------------------

    def is_archive(self) -> bool:
        """Whether an archive was ever begun here. Raises FileNotFoundError where there is not even a bucket."""
        there = self.has(_MARK)
        if not there:
            must_have_bucket(self._fs, self._root)
        return there

    def begin(self) -> None:
        """Make it an archive, if it is none yet. Raises `ArchiveError` where it is one of a newer Faultline."""
        if not self.is_archive():
            self.put(_MARK, orjson.dumps({"format": _FORMAT}))
        found = orjson.loads(self.read(_MARK))
        if found.get("format") != _FORMAT:
            raise ArchiveError(f"{self.shown} is an archive of format {found.get('format')}: run the newer Faultline")

    def must_be_archive(self) -> None:
        """Raises `ArchiveError` where none was ever begun."""
        if not self.is_archive():
            raise ArchiveError(f"there is no archive in {self.shown}. `faultline worker archive` begins one")

    # -- files --------------------------------------------------------------------------------------------------------

    def files(self, wanted: Wanted = Wanted()) -> list[File]:  # noqa: B008 (frozen)
        """Every data file that may hold what is wanted, whether it counts or not (`files.counting`)."""
        found = []
        for kind in wanted.kinds or KINDS:
            for path, size in self._found(kind).items():
                file = File.parse(path, size) if path.endswith(SUFFIX) else None
                if file is not None and wanted.has(file.folder):
                    found.append(file)
        return sorted(found)

    def unfinished(self) -> list[str]:
        """What writers that died have left behind: pieces that were never renamed."""
        return [path for kind in (*KINDS, OURS) for path in self._found(kind) if path.endswith(".part")]

    def names(self, folder: str) -> list[str]:
        """Names of what lies right in a folder, sorted; none where there is no such folder."""
        self._fs.invalidate_cache()
        try:
            found = self._fs.ls(self._at(folder), detail=False)
        except FileNotFoundError:
            return []
        names = (posixpath.basename(str(path)) for path in found)
        return sorted(name for name in names if name and not name.endswith(".part"))  # "": a folder's own empty object

    def read(self, path: str) -> bytes:
        return bytes(self._fs.cat_file(self._at(path)))

    @contextmanager
    def open(self, path: str) -> Iterator[IO[bytes]]:
        """A file to be read within the block. Raises `Changed` where it does not stay the same as long."""
        try:
            with self._fs.open(self._at(path), "rb") as opened:
                yield opened
        except OSError as error:
            if is_changed(error):
                raise Changed(f"{self.shown}/{path} was replaced while it was read") from error
            raise

    def has(self, path: str) -> bool:
        self._fs.invalidate_cache()
        return bool(self._fs.exists(self._at(path)))

    def put(self, path: str, blob: bytes) -> None:
        """Write or replace a file, whole or not at all."""
        if self._puts_whole:
            self._fs.pipe_file(self._at(path), blob)
        else:
            self._aside(path, lambda scratch: self._write(scratch, blob), self._rename)

    def put_file(self, path: str, local: str) -> None:
        """The same with what a local file holds."""
        if self._puts_whole:
            self._fs.put_file(local, self._at(path))
        else:
            self._aside(path, lambda scratch: self._copy(local, scratch), self._rename)

    def create(self, path: str, blob: bytes) -> bool:
        """Write a file that is not there yet; False, and nothing changed, where somebody was first."""
        try:
            if self._local:
                self._aside(path, lambda scratch: self._write(scratch, blob), os.link)
            elif self._puts_whole:
                return self._create(path, blob)
            elif self.has(path):
                return False
            else:
                self.put(path, blob)
        except FileExistsError:
            return False
        return True

    def delete(self, path: str) -> None:
        """Remove a file, if it is there."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(self._at(path))

    def prune(self, folder: Folder) -> None:
        """Remove a folder that holds nothing any more; object stores have none to remove."""
        if self._local:
            with suppress(OSError):
                os.rmdir(self._at(folder.path))

    # -- how ----------------------------------------------------------------------------------------------------------

    def _at(self, path: str) -> str:
        return f"{self._root}/{path}"

    def _found(self, folder: str) -> dict[str, int]:
        self._fs.invalidate_cache()
        try:
            found = self._fs.find(self._at(folder), detail=True)
        except FileNotFoundError:
            return {}
        start = len(self._root.lstrip("/")) + 1
        return {str(path).lstrip("/")[start:]: int(entry["size"] or 0) for path, entry in found.items()}

    def _create(self, path: str, blob: bytes) -> bool:
        try:
            self._fs.pipe_file(self._at(path), blob, mode="create")
        except Exception:  # clients differ in how they say that it is there already
            if self.has(path):
                return False
            raise
        return True

    def _aside(self, path: str, write: Callable[[str], None], settle: Callable[[str, str], None]) -> None:
        place = self._at(path)
        folder, name = posixpath.split(place)
        scratch = f"{folder}/.{name}.{os.getpid()}.part"
        self._fs.makedirs(folder, exist_ok=True)
        try:
            write(scratch)
            settle(scratch, place)
        finally:
            with suppress(OSError):
                if self._fs.exists(scratch):
                    self._fs.rm_file(scratch)
        if self._local:
            _sync(folder)

    def _write(self, place: str, blob: bytes) -> None:
        with self._fs.open(place, "wb") as file:
            file.write(blob)
            if self._local:
                file.flush()
                os.fsync(file.fileno())

    def _copy(self, local: str, place: str) -> None:
        self._fs.put_file(local, place)
        if self._local:
            _sync(place)

    def _rename(self, scratch: str, place: str) -> None:
        if self._local:
            os.replace(scratch, place)
            return
        with suppress(FileNotFoundError):
            self._fs.rm_file(place)  # not every server renames over what is there
        self._fs.mv(scratch, place)


def _sync(place: str) -> None:
    """Have what the system holds of a file or folder on the disk: offsets are committed after."""
    descriptor = os.open(place, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
