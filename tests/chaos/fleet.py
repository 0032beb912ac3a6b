"""Worker processes of one namespace: started, killed, frozen, stopped; and what their logs say happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

QUICK = {
    "FAULTLINE_WORKER__COMMIT_INTERVAL_MS": "100",
    "FAULTLINE_WORKER__CHECKPOINT_INTERVAL_MS": "300",
    "FAULTLINE_WORKER__POLL_RECORDS": "200",
    "FAULTLINE_WORKER__MAX_TRANSACTION_OUTPUTS": "60",
    "FAULTLINE_WORKER__SESSION_TIMEOUT_MS": "2000",
    "FAULTLINE_WORKER__TRANSACTION_TIMEOUT_MS": "4000",
    "FAULTLINE_WORKER__COMMIT_DEADLINE_MS": "25000",
    "FAULTLINE_REDIS__TIMEOUT_MS": "400",
    "FAULTLINE_LOG__FORMAT": "json",
    "OMP_NUM_THREADS": "1",
}
"""Small transactions, short sessions: more happens in a second."""

SESSION_SECONDS = 2.0


@dataclass(slots=True)
class Worker:
    """One process, and what its log says of it."""

    process: subprocess.Popen[bytes]
    log: Path
    frozen: bool = False

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def standing(self) -> bool:
        """Stopped by SIGSTOP, whoever sent it."""
        try:
            stat = Path(f"/proc/{self.process.pid}/stat").read_text()
        except OSError:
            return False
        return stat.rsplit(")", 1)[1].split()[0] == "T"

    def events(self) -> Iterator[dict[str, object]]:
        for line in self.log.read_text(errors="replace").splitlines():
            if line.startswith("{"):
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the last line of one that was killed

    def said(self, event: str) -> bool:
        return any(e.get("event") == event for e in self.events())

    @property
    def killed_itself(self) -> bool:
        """Whether it ended by the `FAULTLINE_WORKER__FAIL_AT` that it was started with."""
        return self.process.poll() == -signal.SIGKILL and self.said("failing on purpose")

    @property
    def noticed(self) -> int:
        """How often it learned that its partitions were another's, or that its transaction was none."""
        return sum(e.get("event") in ("lost", "transaction not committed") for e in self.events())


@dataclass(slots=True)
class Fleet:
    """All processes of one kind and namespace, the dead ones too."""

    argv: Sequence[str]
    env: Mapping[str, str]
    folder: Path
    workers: list[Worker] = field(default_factory=list)

    @property
    def running(self) -> list[Worker]:
        return [worker for worker in self.workers if worker.running]

    @property
    def awake(self) -> list[Worker]:
        return [worker for worker in self.running if not worker.frozen]

    def start(self, **more: str) -> Worker:
        log = self.folder / f"{len(self.workers)}.log"
        with log.open("wb") as sink:
            process = subprocess.Popen(
                [sys.executable, *self.argv],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **self.env, **more},
            )
        worker = Worker(process, log)
        self.workers.append(worker)
        return worker

    def kill(self, worker: Worker) -> None:
        worker.process.kill()
        worker.process.wait()

    def freeze(self, worker: Worker) -> None:
        worker.frozen = True
        worker.process.send_signal(signal.SIGSTOP)

    def thaw(self, worker: Worker) -> None:
        worker.process.send_signal(signal.SIGCONT)
        worker.frozen = False

    def stop(self, worker: Worker, timeout: float = 60) -> int:
        """SIGTERM; its exit code. One that has frozen itself meanwhile is thawed: it would never hear of it."""
        deadline = time.monotonic() + timeout
        worker.process.terminate()
        while worker.running:
            if time.monotonic() > deadline:
                raise AssertionError(f"not stopped after {timeout:.0f} s:\n{self.tail(worker)}")
            if worker.standing:
                self.thaw(worker)
            time.sleep(0.05)
        return worker.process.wait()

    def stop_all(self) -> None:
        """Everyone ends in good order, or it is an error with the end of its log."""
        for worker in self.running:
            self.thaw(worker)
            worker.process.terminate()
        for worker in self.workers:
            code = self.stop(worker)
            if code > 0 and not worker.said("stopped"):
                raise AssertionError(f"a worker ended with {code}:\n{self.tail(worker)}")

    def end(self) -> None:
        """Whatever happened: nothing is left running."""
        for worker in self.workers:
            if worker.running:
                self.kill(worker)

    def revive(self) -> None:
        """Whoever gave up is replaced, as an orchestrator would, and whoever has stopped itself goes on."""
        for worker in self.running:
            if worker.standing and not worker.frozen:
                self.thaw(worker)
        if not self.running:
            self.start()

    def seen(self) -> Counter[str]:
        """How often each thing happened, by the logs."""
        found: Counter[str] = Counter()
        for worker in self.workers:
            for event in worker.events():
                name = str(event.get("event"))
                found[name] += 1
                if name == "loaded":
                    found[f"loaded by {event.get('how')}"] += 1
                if name == "failing on purpose":
                    found[f"struck at {event.get('step')}"] += 1
                if name == "transaction not committed":
                    verdicts = event.get("verdicts")
                    for verdict in set(verdicts.values()) if isinstance(verdicts, dict) else set():
                        found[f"verdict {verdict}"] += 1
        return found

    def tail(self, worker: Worker, lines: int = 25) -> str:
        return "\n".join(worker.log.read_text(errors="replace").splitlines()[-lines:])

    def await_event(self, worker: Worker, event: str, timeout: float = 60) -> None:
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if worker.said(event):
                return
            if not worker.running:
                raise AssertionError(f"a worker ended before it logged {event!r}:\n{self.tail(worker)}")
            time.sleep(0.1)
        raise AssertionError(f"no {event!r} within {timeout:.0f} s:\n{self.tail(worker)}")
