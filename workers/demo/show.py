"""The demo from its first line to its last: learn a week, play a day, tell what was found."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from rich.console import Console

from schemas.events import encode_events
from workers.demo.children import ChildDied
from workers.demo.house import House, house
from workers.demo.judging import Episode, judge
from workers.demo.learning import learn
from workers.demo.pictures import draw_scores, draw_timeline
from workers.demo.playing import COMPRESSION, Stuck, drain, play
from workers.demo.scene import PANE, WORKERS, Scene, episodes_of, history_settings
from workers.demo.telling import last_line, tell_change, tell_life, tell_verdict
from workers.demo.watching import Watcher
from workers.runtime.clock import SystemClock
from workers.sources.progress import Counter
from workers.sources.publish import Publisher
from workers.sources.stopping import Interrupted, Stop
from workers.sources.synthetic.generate import generate, how_many
from workers.sources.synthetic.truth import Truth, schedule


def show(console: Console, stop: Stop, services: int, seed: int, pictures: Path) -> None:
    """Run the demo. Raises `Interrupted`, `ChildDied`, `Stuck`, `PublishError`."""
    scene = Scene(services=services, seed=seed)
    clock = SystemClock()
    begun = clock.monotonic()
    console.print("starting a broker, a Redis and the workers, each a process of its own")
    with house(history_settings) as home:
        for worker in WORKERS:
            home.start_worker(worker)
        versions = learn(console, stop, scene, home)
        console.print(
            f"learned {scene.days} days; {len(versions)} models are promoted, and the running workers take them up"
        )
        truth = schedule(scene.trial)
        console.print(f"playing the day after, with {len(truth)} anomalies in it")
        try:
            watcher, sent = _play_day(console, stop, home, truth)
        except Stuck as error:
            raise ChildDied(f"{error}\n{home.children.tails()}") from error
    took = clock.monotonic() - begun
    _tell(console, pictures, watcher, sent, episodes_of(truth), took)


def _play_day(console: Console, stop: Stop, home: House, truth: Truth) -> tuple[Watcher, int]:
    """Send the day, tell incidents as they come, and wait for the workers to be through."""
    settings, entities = home.settings, truth.plan.entities
    options = {**home.options, "compression.type": COMPRESSION}
    with (
        closing(Watcher(home.options, settings)) as watcher,
        Publisher(options, settings.topics.events, encode_events) as publisher,
        Counter(console, "playing", how_many(truth)) as counter,
    ):

        def look(sent: int = 0) -> None:
            if stop():
                raise Interrupted
            home.children.check()
            for change in watcher.poll(0.02 if sent == 0 else 0):
                tell_change(console, change)
            counter.add(sent)

        last = play(publisher, generate(truth), watcher, entities, look)
        publisher.end(settings.windows.lateness_ms * 1000 + PANE)
        drain(watcher, entities, last, look)
        return watcher, counter.done


def _tell(console: Console, folder: Path, watcher: Watcher, sent: int, episodes: list[Episode], took: float) -> None:
    """The table, the pictures, and the last line, which a machine may read."""
    incidents = sorted(watcher.incidents.values(), key=lambda incident: incident.opened_at)
    verdict = judge(episodes, incidents)
    tell_verdict(console, verdict)
    tell_life(console, watcher.lives.values())
    if watcher.dead_letters:
        console.print(f"dead letters: {watcher.dead_letters}, for example: {'; '.join(watcher.refused)}")
    scores = list(watcher.scores)
    draw_timeline(folder / "timeline.png", scores, episodes, incidents)
    draw_scores(folder / "scores.png", scores, episodes)
    console.print(f"took {took:.0f} s; pictures: {folder / 'timeline.png'}, {folder / 'scores.png'}")
    console.print(last_line(sent, watcher.vectors, watcher.scored, incidents, verdict))
