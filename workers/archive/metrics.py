"""What the archive counts, beside the metrics that every worker has."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from workers.archive.files import KINDS


class ArchiveMetrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self._rows = Counter("faultline_archive_rows_total", "Rows filed, by kind", ["kind"], registry=registry)
        self._files = Counter("faultline_archive_files_total", "Files written, by kind", ["kind"], registry=registry)
        self._held = Gauge("faultline_archive_held_bytes", "Rows in memory that wait for their file", registry=registry)
        self._away = Gauge("faultline_archive_away", "1 while the storage takes nothing", registry=registry)
        for kind in KINDS:
            self._rows.labels(kind).inc(0)
            self._files.labels(kind).inc(0)

    def filed(self, kind: str, rows: int) -> None:
        self._rows.labels(kind).inc(rows)
        self._files.labels(kind).inc()

    def held(self, size: int) -> None:
        self._held.set(size)

    def away(self, away: bool) -> None:
        self._away.set(int(away))
