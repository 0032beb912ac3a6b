"""What a commit says about itself, inside the offset's metadata: the one place that binds state to an offset."""

from __future__ import annotations

from dataclasses import dataclass

from workers.runtime.stage import RebuildPoint

_VERSION = "f1"
_LIMIT = 400


@dataclass(frozen=True, slots=True)
class CheckpointRef:
    """Names one checkpoint: its id (never used twice), the offset it was taken before, the digest of its manifest."""

    id: str
    offset: int
    digest: str


@dataclass(frozen=True, slots=True)
class CommitMetadata:
    """The metadata of one committed offset; encoded in ASCII, below 400 bytes (the broker allows 4,096).

    `watermark` is the one after the last record before the committed offset. `position` counts the outputs of the
    record *at* the committed offset that earlier transactions already hold. `control` is the offset in the control
    topic up to which its records are in force. `logged_from` is where the state topic stood when this partition was
    begun with empty state: what lies before it was logged of another input.
    """

    checkpoint: CheckpointRef | None
    watermark: int
    rebuild: RebuildPoint
    topic_id: str
    partitions: int
    config_hash: str
    control: int = 0
    position: int = 0
    logged_from: int = 0

    def of_another_topic(self, topic_id: str) -> bool:
        """Whether the topic was recreated since. A broker that tells no id (empty) is no evidence of that."""
        return bool(self.topic_id) and bool(topic_id) and self.topic_id != topic_id

    def encode(self) -> str:
        ref = self.checkpoint
        fields = (
            _VERSION,
            f"{ref.id},{ref.offset},{ref.digest}" if ref else "",
            self.watermark,
            f"{self.rebuild.offset},{self.rebuild.watermark}",
            self.topic_id,
            self.partitions,
            self.config_hash,
            self.control,
            self.position,
            self.logged_from,
        )
        text = ";".join(map(str, fields))
        if len(text) > _LIMIT:
            raise ValueError(f"commit metadata of {len(text)} bytes; at most {_LIMIT}")
        return text

    @classmethod
    def decode(cls, text: str | None) -> CommitMetadata | None:
        """None for whatever this version did not write (another tool's commit, or none)."""
        fields = (text or "").split(";")
        if len(fields) != 10 or fields[0] != _VERSION:
            return None
        try:
            rebuild = fields[3].split(",")
            ref = fields[1].split(",") if fields[1] else None
            return cls(
                checkpoint=CheckpointRef(ref[0], int(ref[1]), ref[2]) if ref else None,
                watermark=int(fields[2]),
                rebuild=RebuildPoint(int(rebuild[0]), int(rebuild[1])),
                topic_id=fields[4],
                partitions=int(fields[5]),
                config_hash=fields[6],
                control=int(fields[7]),
                position=int(fields[8]),
                logged_from=int(fields[9]),
            )
        except (ValueError, IndexError):
            return None
