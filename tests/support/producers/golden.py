"""Where the golden records are, and how they are read and written.

Text (`collectd/rates.json`) is a list of records in JSON, byte by byte what was sent, line ends and all; binary records
(`collector/metrics_otlp_proto/001.binpb`) are files of their own, in the order in which they were sent.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

GOLDEN = Path(__file__).parents[2] / "workers" / "intake" / "golden"

BINARY = ("binpb", "snappy")


def golden(name: str) -> list[bytes]:
    """The records of one capture (`collectd/rates`), in the order in which they were sent."""
    text = GOLDEN / f"{name}.json"
    if text.exists():
        return [record.encode() for record in json.loads(text.read_text())]
    return [path.read_bytes() for path in sorted((GOLDEN / name).iterdir())]


def sent(name: str) -> dict[str, int]:
    """What the producer said it had sent: how many data points, log records, spans or lines."""
    counts: dict[str, int] = json.loads((GOLDEN / "sent.json").read_text())[name]
    return counts


def write_golden(name: str, suffix: str, records: Sequence[bytes]) -> None:
    """Put these records in place of those there were."""
    folder = GOLDEN / name
    folder.parent.mkdir(parents=True, exist_ok=True)
    if suffix not in BINARY:
        lines = ",\n".join(json.dumps(record.decode()) for record in records)
        folder.with_name(f"{folder.name}.json").write_text(f"[\n{lines}\n]\n")
        return
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for number, record in enumerate(records, 1):
        (folder / f"{number:03d}.{suffix}").write_bytes(record)


def write_sent(name: str, counts: Mapping[str, int]) -> None:
    """Note what the producer of a capture said."""
    path = GOLDEN / "sent.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    known[name] = dict(counts)
    path.write_text(json.dumps(dict(sorted(known.items())), indent=1) + "\n")
