"""What anomalies are of: the documents of the downloads that are here, else the events that cleaning made of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pyarrow.parquet as pq

from schemas.events import events_to_dicts
from workers.canonical import from_arrow
from workers.cli.opensearch_options import Folders, file_name
from workers.sources.opensearch.raw import RawError, documents

DOCUMENT, CLEANED = "document", "cleaned"


@dataclass(frozen=True, slots=True)
class Records:
    """Looked for below `folders`; `tag` is the data set that is judged."""

    folders: Folders
    tag: str

    def of(self, wanted: set[str]) -> dict[str, tuple[str, Any]]:
        """By identity (index/_id) where the record is from, and the record; none of what is nowhere."""
        found = {name: (DOCUMENT, one) for name, one in self._documents(wanted).items()}
        return found | {name: (CLEANED, one) for name, one in self._cleaned(wanted - found.keys()).items()}

    def _documents(self, wanted: set[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index in sorted(_indices(wanted)):
            folder = self.folders.raw / index
            if not folder.is_dir():
                continue
            try:
                for document in documents(folder):
                    identity = f"{document['_index']}/{document['_id']}"
                    if identity in wanted:
                        found[identity] = document["_source"]
            except RawError:  # gone or half there: the cleaned event stands for it
                continue
        return found

    def _cleaned(self, wanted: set[str]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        tags = dict.fromkeys([self.tag, *(file_name(index) for index in sorted(_indices(wanted)))])
        for path in map(self.folders.cleaned, tags):
            missing = wanted - found.keys()
            if not missing or not path.is_file():
                continue
            events = from_arrow(pq.read_table(path, filters=[("id", "in", missing)]))
            found |= {event["id"]: event for event in events_to_dicts(events)}
        return found


def _indices(wanted: set[str]) -> set[str]:
    return {identity.partition("/")[0] for identity in wanted}
