"""What people said, as periods of time for training: incidents judged, trouble expected, silences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from schemas.records import decode
from schemas.times import MAX_TIME, format_time, parse_time
from workers.cli.clients import connect
from workers.cli.controlling import read_controls
from workers.cli.extras import needing
from workers.cli.incident_lookup import Known, all_incidents
from workers.cli.judging import UNDONE, Desk, Said
from workers.cli.out_files import check_ending, prepare, writing
from workers.incidents.feedback import Verdict
from workers.settings import Settings

SILENCE = "silence"

_LABELS = {Verdict.REAL: 1, Verdict.FALSE_ALARM: 0}

Row = dict[str, object]


def export_periods(settings: Settings, author: str, out: Path) -> dict[str, int]:
    """Write the periods; how many there are by verdict. Raises `Failure`."""
    check_ending(out, (".csv", ".parquet"))
    prepare(out)
    with needing("faultline feedback export", "train"):
        import pandas as pd
    known = all_incidents(settings, connect(settings))
    said = [one for one in Desk(settings, author).said() if one.body.get("ended") != UNDONE]
    rows = [row for one in said for row in [_period(one, known)] if row is not None]
    rows += _silences(settings)
    rows.sort(key=lambda row: (str(row["start"]), str(row["entity"]), str(row["id"])))
    columns = ["entity", "profile", "start", "end", "verdict", "label", "id"]
    frame = pd.DataFrame(rows, columns=columns).astype({"label": "Int8"})
    with writing(out):
        if out.suffix == ".csv":
            frame.to_csv(out, index=False)
        else:
            frame.to_parquet(out, index=False)
    return dict(Counter(str(row["verdict"]) for row in rows))


def _period(one: Said, incidents: Mapping[str, Known]) -> Row | None:
    """Of an incident its time, as the topic tells it now or, where it has forgotten it, as it was told then."""
    feedback, body = one.feedback, one.body
    known = incidents.get(str(body.get("incident_id")))
    if feedback.verdict is Verdict.EXPECTED:
        start, end = feedback.starts_at, feedback.expires_at
        if known is not None:
            start = min(start, known.first_anomalous_at)
    elif known is not None:
        start, end = known.first_anomalous_at, known.last_anomalous_at
    elif "incident_start" in body and "incident_end" in body:
        start, end = parse_time(str(body["incident_start"])), parse_time(str(body["incident_end"]))
    else:
        return None
    return _row(feedback.entity, feedback.profile, start, end, feedback.verdict, one.id)


def _silences(settings: Settings) -> Iterator[Row]:
    """Silence rules of whole entities. One of some severities or of one pattern alone says little about the rest."""
    for control in read_controls(settings):
        if not control.key.startswith(f"{SILENCE}/".encode()) or control.value is None:
            continue
        record = decode("Control", [control.value])[0][0]
        if record is None or not isinstance(record["body"], Mapping):
            continue
        matchers = record["body"].get("matchers")
        if isinstance(matchers, Mapping) and matchers.get("entity") and not matchers.keys() - {"entity", "profile"}:
            yield _silence(record, matchers)


def _silence(record: Mapping[str, Any], matchers: Mapping[str, Any]) -> Row:
    starts = record["body"].get("starts_at")
    start = parse_time(starts) if isinstance(starts, str) else record["time"]
    end = MAX_TIME if record["expires_at"] is None else record["expires_at"]
    return _row(str(matchers["entity"]), str(matchers.get("profile", "")), start, end, SILENCE, str(record["id"]))


def _row(entity: str, profile: str, start: int, end: int, verdict: str, id_: str) -> Row:
    label = _LABELS.get(Verdict(verdict)) if verdict != SILENCE else None
    return {
        "entity": entity,
        "profile": profile,
        "start": format_time(start),
        "end": format_time(end),
        "verdict": str(verdict),
        "label": label,
        "id": id_,
    }
