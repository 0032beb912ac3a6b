"""One exercise from its start to its end: the keeper started, followed, stopped, and what is left of it removed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from typing import Any

from workers.attacks.keeper import sweep
from workers.attacks.kinds import KINDS, Wish
from workers.cli.failures import Failure
from workers.cli.voice import Voice
from workers.runtime.clock import SystemClock
from workers.sources.stopping import stop_on_signals

_PATIENCE = 15.0  # seconds that a keeper has to tidy up


def exercise(wish: Wish, voice: Voice) -> None:
    """Do it, and say what was done. Raises `Failure` where it broke off by itself."""
    for folder in sweep():
        voice.say(f"removed {folder}, which an exercise that was killed had left")
    text = json.dumps({**asdict(wish), "values": dict(wish.values)})
    keeper = subprocess.Popen(
        [sys.executable, "-m", "workers.attacks.keeper", text],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    folder_line = b""
    try:
        with stop_on_signals() as stop, voice.counter("attacking", round(wish.seconds), "seconds") as counter:
            clock = SystemClock()
            assert keeper.stdout is not None
            folder_line = keeper.stdout.readline()
            began = clock.monotonic()
            while keeper.poll() is None and not stop():
                clock.sleep(0.1)
                counter.add(min(int(clock.monotonic() - began), round(wish.seconds)) - counter.done)
        stopped = stop.asked
    finally:
        said = _close(keeper)
        if folder_line:
            shutil.rmtree(json.loads(folder_line)["folder"], ignore_errors=True)  # where the keeper itself was killed
    if not said.get("seconds"):
        raise Failure(f"the exercise broke off (exit code {keeper.returncode}); nothing of it is left")
    did = ", ".join(f"{value:,g} {name}" for name, value in said.items() if name != "seconds")
    shows = KINDS[wish.kind].shows
    end = "stopped after" if stopped else "done in"
    document = {"kind": wish.kind, "technique": KINDS[wish.kind].technique, "stopped": stopped, **said}
    voice.report(f"{end} {said['seconds']:g} s: {did}. It shows in {shows}", document)


def _close(keeper: subprocess.Popen[bytes]) -> dict[str, Any]:
    """Tell the keeper to tidy up, wait for it, and give what it said last."""
    assert keeper.stdin is not None
    assert keeper.stdout is not None
    keeper.stdin.close()
    try:
        keeper.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        keeper.kill()
        keeper.wait()
    lines = keeper.stdout.read().splitlines()
    keeper.stdout.close()
    found: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return found
