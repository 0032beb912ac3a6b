"""`python -m tests.chaos.worker tally`: a whole worker process around a toy stage; topics are the namespace's."""

from __future__ import annotations

import sys
from typing import Any

from tests.support.toy_stages import Relay, Tally
from workers.runtime.run import run_worker
from workers.runtime.stage import Stage
from workers.settings import Settings, load_settings

IN, OUT, LOG = "in", "out", "log"


def stage_of(kind: str, namespace: str) -> Stage[Any]:
    out, log = f"{namespace}.{OUT}", f"{namespace}.{LOG}"
    return Tally(out, log, chunk_outputs=16) if kind == "tally" else Relay(out, chunk_outputs=16)


def run(settings: Settings, kind: str) -> int:
    prefix = settings.prefix
    outputs = [prefix + OUT, prefix + LOG]
    return run_worker(settings, kind, [prefix + IN], outputs, lambda topics: stage_of(kind, settings.namespace))


if __name__ == "__main__":
    sys.exit(run(load_settings(), sys.argv[1]))
