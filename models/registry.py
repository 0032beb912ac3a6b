"""The registry: a folder or object store with bundles by profile, scope and version, and the aliases in force.

    <registry>/<profile>/<scope>/<version>/manifest.json and the files that it names, perhaps signatures.json
    <registry>/<profile>/<scope>/aliases.json: {"champion": version, "challenger": version or null}

A bundle is there once its manifest is: the manifest is written last. Bundles never change, their version being the
hash of their content. Aliases are replaced whole.
"""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from fsspec.implementations.local import LocalFileSystem

from models.bundle import Bundle, open_bundle
from models.manifest import LARGEST_MANIFEST, MANIFEST, BundleError, Manifest, is_profile
from models.scope import folder_name
from models.signing import SIGNATURES, decode_signatures, encode_signatures, sign, signers
from models.storage import Unreachable, lacks_bucket, must_have_bucket, reach, read_most, reason, shown

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ALIASES = "aliases.json"

_VERSION = re.compile(r"[0-9a-f]{32}")


class RegistryError(Exception):
    """The registry cannot be reached, or has not what was asked for. The message names the place."""


class AliasesError(RegistryError):
    """Aliases that are none. The message names their file."""


@dataclass(frozen=True, slots=True)
class Aliases:
    """Versions in force for a profile and scope. Both None: the scope is not served."""

    champion: str | None = None
    challenger: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle of the registry, and the alias it holds (`champion`, `challenger` or none)."""

    profile: str
    scope: str
    version: str
    alias: str | None
    manifest: Manifest


@dataclass(frozen=True, slots=True)
class Damaged:
    """A bundle that nobody can load: the folder that it lies in, what this is in the registry's order, and why."""

    folder: str
    profile: str
    scope: str
    version: str
    reason: str


class Registry:
    """Access by profile, scope and version. Methods raise `RegistryError` where the storage fails.

    Where public keys are `trusted`, a bundle that none of them has signed is refused whenever it is opened
    (`models.signing`).
    """

    def __init__(self, url: str, trusted: Sequence[str] = (), **options: Any) -> None:
        self.url, self.trusted = url, tuple(trusted)
        if trusted and find_spec("cryptography") is None:
            raise RegistryError("registry.trusted_keys needs cryptography. Install: pip install 'faultline[signing]'")
        try:
            self._fs, self._root = reach(url, **options)
        except Unreachable as error:
            raise RegistryError(f"{url}: {error}") from error

    def is_empty(self) -> bool:
        """Whether no bundle was ever stored here."""
        return not self._found("*", "*", "*", MANIFEST)

    def save(self, manifest: Manifest, files: Mapping[str, bytes]) -> str:
        """Store a bundle and return its version. Storing it again changes nothing."""
        version = manifest.version
        folder = self._place(manifest.profile, manifest.scope, version)
        with self._explained(folder):
            if not self._fs.exists(posixpath.join(folder, MANIFEST)):
                for name, blob in files.items():
                    self._write(posixpath.join(folder, name), blob)
                self._write(posixpath.join(folder, MANIFEST), manifest.encode())
        return version

    def sign(self, profile: str, scope: str, version: str, key: Ed25519PrivateKey) -> None:
        """Add a signature to a bundle, or make it anew. Raises `BundleError` unless the bundle is whole."""
        folder = self._place(profile, scope, version)
        bundle = self._bundle(folder, version)
        bundle.verify()
        found = self.signatures(bundle.manifest) | sign(bundle.manifest.encode(), key)
        place = posixpath.join(folder, SIGNATURES)
        with self._explained(place):
            self._write(place, encode_signatures(found))

    def signatures(self, manifest: Manifest) -> dict[str, str]:
        """What is said to be signatures of a bundle, by public key; none of them is checked."""
        place = posixpath.join(self._place(manifest.profile, manifest.scope, manifest.version), SIGNATURES)
        with self._explained(place):
            if not self._fs.exists(place):
                return {}
        return decode_signatures(self._read(place))

    def open(self, profile: str, scope: str, version: str) -> Bundle:
        """A bundle with a checked manifest. Raises also `BundleError`."""
        folder = self._place(profile, scope, version)
        bundle = self._bundle(folder, version)
        if (bundle.manifest.profile, bundle.manifest.scope) != (profile, scope):
            raise BundleError(
                f"{self._shown(folder)} holds a bundle of {bundle.manifest.profile} {bundle.manifest.scope}"
            )
        if self.trusted and not self.signers(bundle.manifest):
            raise BundleError(
                f"{self._shown(folder)} is signed by none of the {len(self.trusted)} keys of registry.trusted_keys"
            )
        return bundle

    def signers(self, manifest: Manifest) -> list[str]:
        """The trusted keys that have signed a bundle."""
        return signers(manifest.encode(), self.signatures(manifest), self.trusted)

    def aliases(self, profile: str, scope: str) -> Aliases:
        """The versions in force, none where nothing was promoted."""
        place = self._place(profile, scope, ALIASES)
        with self._explained(place):
            if not self._fs.exists(place):
                must_have_bucket(self._fs, self._root)
                return Aliases()
        return self._read_aliases(place)

    def promote(self, profile: str, scope: str, aliases: Aliases) -> None:
        """Put versions in force, replacing both aliases. Raises `BundleError` unless each is there and whole."""
        for version in {aliases.champion, aliases.challenger} - {None}:
            assert version is not None
            self.open(profile, scope, version).verify()
        place = self._place(profile, scope, ALIASES)
        with self._explained(place):
            self._write(place, json.dumps(asdict(aliases), sort_keys=True).encode())

    def in_force(self) -> Iterator[tuple[str, str, Aliases]]:
        """Profile, scope and aliases of every scope that is served, ordered by place."""
        for place in self._found("*", "*", ALIASES):
            aliases = self._read_aliases(place)
            version = aliases.champion or aliases.challenger
            if version is not None:
                manifest = self._bundle(posixpath.join(posixpath.dirname(place), version), version).manifest
                yield manifest.profile, manifest.scope, aliases

    def entries(self) -> Iterator[Entry]:
        """Every bundle with a whole manifest, ordered by place."""
        return (one for one in self.survey() if isinstance(one, Entry))

    def survey(self) -> Iterator[Entry | Damaged]:
        """Every bundle, ordered by place; those whose manifest, or whose scope's aliases, are damaged as such."""
        for folder in map(posixpath.dirname, self._found("*", "*", "*", MANIFEST)):
            profile, scope, version = folder.split("/")[-3:]
            try:
                bundle = self._bundle(folder, version)
                manifest = bundle.manifest
                aliases = self.aliases(manifest.profile, manifest.scope)
            except (BundleError, AliasesError) as error:
                yield Damaged(folder, profile, unquote(scope), version, str(error))
                continue
            except RegistryError:
                with self._explained(folder):
                    if self._fs.exists(posixpath.join(folder, MANIFEST)):
                        raise
                continue  # somebody removed it meanwhile
            alias = next((name for name, one in asdict(aliases).items() if one == version), None)
            yield Entry(manifest.profile, manifest.scope, version, alias, manifest)

    def stored_at(self, one: Entry | Damaged) -> float | None:
        """When a bundle's manifest was written, in epoch seconds; None where the store does not say."""
        place = self._folder(one)
        with self._explained(place):
            try:
                return float(self._fs.modified(posixpath.join(place, MANIFEST)).timestamp())
            except NotImplementedError:
                return None

    def is_in_force(self, one: Entry | Damaged) -> bool:
        """Whether an alias names it, or may do so: aliases that are damaged themselves do not tell."""
        place = posixpath.join(posixpath.dirname(self._folder(one)), ALIASES)
        with self._explained(place):
            if not self._fs.exists(place):
                return False
        try:
            return one.version in asdict(self._read_aliases(place)).values()
        except AliasesError:
            return True

    def remove(self, one: Entry | Damaged) -> None:
        """Delete a bundle, its manifest first: what is left of one without is none. Raises where it is in force."""
        place = self._folder(one)
        if self.is_in_force(one):
            raise RegistryError(f"{self._shown(place)} is in force; promote another version first")
        with self._explained(place):
            self._fs.rm_file(posixpath.join(place, MANIFEST))
            with suppress(FileNotFoundError):  # a folder of an object store ends with its last file
                self._fs.rm(place, recursive=True)

    @contextmanager
    def _explained(self, path: str) -> Iterator[None]:
        """Turn whatever a storage raises into a `RegistryError` with the place."""
        place = self._shown(path)
        try:
            yield
        except (RegistryError, BundleError):
            raise
        except Exception as error:
            missing = isinstance(error, FileNotFoundError) and not lacks_bucket(error)
            raise RegistryError(f"{place} is not there" if missing else f"{place}: {reason(error)}") from error

    def _shown(self, place: str) -> str:
        return shown(self._fs, place)

    def _folder(self, one: Entry | Damaged) -> str:
        return one.folder if isinstance(one, Damaged) else self._place(one.profile, one.scope, one.version)

    def _bundle(self, folder: str, version: str) -> Bundle:
        """Files are read as far as the manifest says, and one byte more: that they are longer is seen by it."""
        sizes: dict[str, int] = {}

        def read(name: str) -> bytes:
            return self._read(posixpath.join(folder, name), sizes.get(name, LARGEST_MANIFEST))

        try:
            bundle = open_bundle(read, version)
        except BundleError as error:
            raise BundleError(f"{self._shown(posixpath.join(folder, MANIFEST))}: {error}") from error
        sizes |= {name: entry.bytes for name, entry in bundle.manifest.files.items()}
        return bundle

    def _place(self, profile: str, scope: str, name: str) -> str:
        if not is_profile(profile) or not all(part.isalnum() for part in name.split(".")):
            raise RegistryError(f"{profile!r} and {name!r} are no names of the registry")
        try:
            return posixpath.join(self._root, profile, folder_name(scope), name)
        except ValueError as error:
            raise RegistryError(str(error)) from error

    def _read(self, place: str, most: int = LARGEST_MANIFEST) -> bytes:
        """At most `most` bytes and one more."""
        with self._explained(place):
            return read_most(self._fs, place, most + 1)

    def _read_aliases(self, place: str) -> Aliases:
        try:
            return _aliases_of(self._read(place))
        except ValueError as error:
            raise AliasesError(f"{self._shown(place)} holds no aliases: {error}") from error

    def _found(self, *pattern: str) -> list[str]:
        """Places below the root, sorted; as they are now, whatever this process has listed before.

        Raises where the root is a file: in one none would be found.
        """
        with self._explained(self._root):
            self._fs.invalidate_cache()
            found = sorted(self._fs.glob(posixpath.join(self._root, *pattern)))
            if not found:
                must_have_bucket(self._fs, self._root)
                if self._fs.isfile(self._root):
                    raise RegistryError(f"{self.url} is a file, and the registry is a folder; correct registry.url")
            return found

    def _write(self, place: str, blob: bytes) -> None:
        """Whole or not at all: object stores put so, a local file is renamed into place."""
        if not isinstance(self._fs, LocalFileSystem):
            self._fs.pipe_file(place, blob)
            return
        os.makedirs(posixpath.dirname(place), exist_ok=True)
        scratch = f"{place}.{os.getpid()}.part"
        with open(scratch, "wb") as file:
            file.write(blob)
            file.flush()
            os.fsync(file.fileno())
        os.replace(scratch, place)


def _aliases_of(blob: bytes) -> Aliases:
    """Raises ValueError."""
    try:
        aliases = Aliases(**json.loads(blob))
    except (TypeError, RecursionError) as error:
        raise ValueError(str(error)) from error
    for version in (aliases.champion, aliases.challenger):
        if version is not None and not (isinstance(version, str) and _VERSION.fullmatch(version)):
            raise ValueError(f"{version!r} is no version")
    return aliases
