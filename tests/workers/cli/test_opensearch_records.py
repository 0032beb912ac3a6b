"""The records that exported anomalies bring along: the document, or the cleaned event where the download is gone."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.workers.cli.test_opensearch_steps import QUIET, T, raw_index
from workers.cli.opensearch_cleaning import Cleaner
from workers.cli.opensearch_combining import combine
from workers.cli.opensearch_options import Folders
from workers.cli.opensearch_records import CLEANED, DOCUMENT, Records
from workers.settings import load_settings


def _cleaned(folders: Folders, *indices: str) -> None:
    for index in indices:
        lines = [
            (f"d{n}", {"@timestamp": T + n, "service": "shop", "latency_ms": 1.0 + n, "of": index}) for n in range(3)
        ]
        raw_index(folders, index, lines)
        Cleaner(load_settings({}), "", False, QUIET).clean(folders.raw / index, folders)


def test_a_record_is_the_document_while_the_download_is_there_and_the_cleaned_event_afterwards(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    _cleaned(folders, "mon", "tue")
    tag = combine(["mon", "tue"], folders, QUIET)["dataset"]
    wanted = {"mon/d1", "tue/d2", "tue/none", "wed/d0"}
    there = Records(folders, tag).of(wanted)
    assert there.keys() == {"mon/d1", "tue/d2"}
    assert there["mon/d1"] == (DOCUMENT, {"@timestamp": T + 1, "service": "shop", "latency_ms": 2.0, "of": "mon"})
    shutil.rmtree(folders.raw / "mon")
    gone = Records(folders, tag).of(wanted)
    assert gone["tue/d2"] == there["tue/d2"]
    source, event = gone["mon/d1"]
    assert (source, event["id"], event["entity"], event["metrics"]) == (CLEANED, "mon/d1", "shop", {"latency_ms": 2.0})
    folders.cleaned(tag).unlink()
    assert Records(folders, tag).of(wanted) == gone
    shutil.rmtree(folders.clean)
    assert Records(folders, tag).of(wanted).keys() == {"tue/d2"}


def test_an_index_whose_name_is_no_file_name_is_found_too(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    _cleaned(folders, "logs@day one")
    shutil.rmtree(folders.raw)
    assert Records(folders, "other").of({"logs@day one/d0"})["logs@day one/d0"][0] == CLEANED
