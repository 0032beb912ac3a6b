"""Checkpoints: immutable parts in the store, and a manifest that names exactly those which make up one state.

A part is written once, under a key that was never used before, and named again by later manifests for as long as it
does not change; so what is written at a checkpoint is what changed since the last one. The commit's metadata names
the manifest and its digest, the manifest names the parts and theirs: whatever is missing or different is found, and
then nothing of it is used.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field

import orjson

from workers.runtime.errors import Retriable
from workers.runtime.metadata import CheckpointRef
from workers.runtime.ports import Store
from workers.runtime.stage import Part

MAX_VALUE = 4 << 20
"""Redis serves other clients between two values; larger ones are cut into pieces."""

_DIGEST_BYTES = 12


def digest(value: bytes) -> str:
    """The beginning of the SHA-256 digest, in hex: processors have instructions for it, and for no other good one."""
    return hashlib.sha256(value).digest()[:_DIGEST_BYTES].hex()


@dataclass(frozen=True, slots=True)
class StoredPart:
    """Where one version of a part lies: the keys of its pieces, in order, each with its digest."""

    version: int
    pieces: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Manifest:
    """One whole state: its parts by name, and the offset it was taken before."""

    offset: int
    parts: Mapping[str, StoredPart]

    def encode(self) -> bytes:
        return orjson.dumps(
            {"offset": self.offset, "parts": {n: [p.version, p.pieces] for n, p in self.parts.items()}},
            option=orjson.OPT_SORT_KEYS,
        )

    @classmethod
    def decode(cls, value: bytes) -> Manifest:
        """Raises ValueError, KeyError or TypeError on anything that `encode` did not write."""
        read = orjson.loads(value)
        parts = {n: StoredPart(p[0], tuple((k, d) for k, d in p[1])) for n, p in read["parts"].items()}
        return cls(int(read["offset"]), parts)

    @property
    def keys(self) -> set[str]:
        return {key for part in self.parts.values() for key, _ in part.pieces}


@dataclass(slots=True)
class CheckpointChain:
    """The checkpoints of one partition as its owner sees them.

    `written` is the newest manifest that this owner wrote, `live` the keys of the checkpoints that a commit may still
    name, oldest first, `strays` those that no commit will ever name. Keys are deleted only once a commit that does
    not need them is known to have happened.
    """

    store: Store
    scope: str
    ref: CheckpointRef | None = None
    written: Manifest | None = None
    live: list[tuple[CheckpointRef, set[str]]] = field(default_factory=list)
    strays: set[str] = field(default_factory=set)

    def adopt(self) -> None:
        """On taking the partition over: what lies here now is a stray, but for what the commits name. Raises Retriable.

        Only now can that be said. Later there may be a next owner, and what looks like a stray to one who was frozen
        meanwhile is that owner's checkpoint.
        """
        self.strays = self.store.keys(self.scope)

    def write(self, parts: Mapping[str, Part], offset: int) -> CheckpointRef:
        """Store what changed and a manifest of the whole. Raises Retriable; then nothing refers to what was stored."""
        known = self._still_there()
        stored: dict[str, StoredPart] = {}
        values: dict[str, bytes] = {}
        for name, part in parts.items():
            before = known.get(name)
            if before is not None and before.version == part.version:
                stored[name] = before
                continue
            pieces = _pieces(part.encode())
            values.update((key, value) for key, value, _ in pieces)
            stored[name] = StoredPart(part.version, tuple((key, checked) for key, _, checked in pieces))
        manifest = Manifest(offset, stored)
        encoded = manifest.encode()
        ref = CheckpointRef(uuid.uuid4().hex, offset, digest(encoded))
        values[ref.id] = encoded
        try:
            self.store.write(self.scope, values)
        except Retriable:
            self.strays |= values.keys()  # some of it may have arrived
            raise
        self.ref, self.written = ref, manifest
        self.live.append((ref, manifest.keys | {ref.id}))
        return ref

    def drop(self) -> None:
        """The state is empty: the next commit names no checkpoint."""
        self.ref = self.written = None

    def _still_there(self) -> Mapping[str, StoredPart]:
        """The parts that need not be written again; none after a loss, or every later checkpoint would miss some."""
        if self.written is None or not self.store.holds(self.scope, self.written.keys):
            return {}
        return self.written.parts

    def load(self, ref: CheckpointRef) -> dict[str, bytes] | None:
        """The parts of exactly this checkpoint, or None if any piece is missing or different. Raises Retriable."""
        encoded = self.store.read(self.scope, [ref.id])[0]
        if encoded is None or digest(encoded) != ref.digest:
            return None
        manifest = Manifest.decode(encoded)
        wanted = [piece for part in manifest.parts.values() for piece in part.pieces]
        found = self.store.read(self.scope, [key for key, _ in wanted])
        values: dict[str, bytes] = {}
        for (key, checked), value in zip(wanted, found, strict=True):
            if value is None or digest(value) != checked:
                return None
            values[key] = value
        # The restored state counts its versions anew, so none of them may be compared with the manifest's.
        self.ref, self.written = ref, None
        self.live = [(ref, manifest.keys | {ref.id})]
        return {n: b"".join(values[key] for key, _ in p.pieces) for n, p in manifest.parts.items()}

    def collect(self) -> None:
        """A commit naming `ref` has happened: delete what no commit needs any more. Raises Retriable."""
        place = next((i for i, (known, _) in enumerate(self.live) if known == self.ref), len(self.live))
        needed = set[str]().union(*(keys for _, keys in self.live[place:]))
        gone = self.strays.union(*(keys for _, keys in self.live[:place])) - needed
        if gone:
            self.store.delete(self.scope, gone)
        self.strays = set()
        del self.live[:place]


def _pieces(value: bytes) -> list[tuple[str, bytes, str]]:
    cut = [value[i : i + MAX_VALUE] for i in range(0, len(value), MAX_VALUE)] or [b""]
    return [(uuid.uuid4().hex, piece, digest(piece)) for piece in cut]
