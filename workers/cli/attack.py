"""`faultline attack`: harmless versions of attacks on this machine, for seeing that they are found."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from workers.attacks.kinds import KINDS, OutOfBounds, Wish
from workers.cli.failures import Failure, WrongUse
from workers.cli.voice import Voice

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="""Strain this machine for a while as an attack would, and see whether `source host` and the workers notice.

Only processes, files and connections of its own; bounded in time, memory, disk and reach (127.0.0.1); at low priority;
tidied up whatever ends it. Says what it will do, and asks first. docs/attacks.md tells what each one shows.

Example: faultline attack cpu --seconds 60""",
)

Seconds = Annotated[float, typer.Option(help="How long.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress, no words: only errors.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what was done as JSON on standard output.")]


def _default(kind: str, knob: str) -> float:
    return KINDS[kind].knobs[knob].default


def _help(kind: str, knob: str) -> Any:
    return typer.Option(help=KINDS[kind].knobs[knob].help)


@app.command()
def cpu(
    seconds: Seconds = 60.0,
    cores: Annotated[int, _help("cpu", "cores")] = int(_default("cpu", "cores")),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Keep cores busy, as a coin miner does (T1496.001).

    Example: faultline attack cpu --seconds 60 --yes
    """
    _attack("cpu", seconds, {"cores": cores}, yes, Voice.of(quiet, as_json))


@app.command()
def fork(
    seconds: Seconds = 60.0,
    alive: Annotated[int, _help("fork", "alive")] = int(_default("fork", "alive")),
    rate: Annotated[float, _help("fork", "rate")] = _default("fork", "rate"),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Start processes without end, as a fork bomb does (T1499.001).

    Example: faultline attack fork --alive 300 --seconds 60
    """
    _attack("fork", seconds, {"alive": alive, "rate": rate}, yes, Voice.of(quiet, as_json))


@app.command()
def files(
    seconds: Seconds = 60.0,
    megabytes: Annotated[float, _help("files", "megabytes")] = _default("files", "megabytes"),
    rate: Annotated[float, _help("files", "rate")] = _default("files", "rate"),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Scramble and rewrite files of its own, as ransomware does with yours (T1486).

    Example: faultline attack files --rate 20
    """
    _attack("files", seconds, {"megabytes": megabytes, "rate": rate}, yes, Voice.of(quiet, as_json))


@app.command()
def leak(
    seconds: Seconds = 120.0,
    megabytes: Annotated[float, _help("leak", "megabytes")] = _default("leak", "megabytes"),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Take ever more memory, as a faulty program does.

    Example: faultline attack leak --megabytes 2000 --seconds 300
    """
    _attack("leak", seconds, {"megabytes": megabytes}, yes, Voice.of(quiet, as_json))


@app.command()
def logs(
    seconds: Seconds = 60.0,
    rate: Annotated[float, _help("logs", "rate")] = _default("logs", "rate"),
    megabytes: Annotated[float, _help("logs", "megabytes")] = _default("logs", "megabytes"),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Flood a log file with lines of failed logins (T1499).

    Example: faultline attack logs --rate 100000
    """
    _attack("logs", seconds, {"rate": rate, "megabytes": megabytes}, yes, Voice.of(quiet, as_json))


@app.command()
def ports(
    seconds: Seconds = 60.0,
    rate: Annotated[float, _help("ports", "rate")] = _default("ports", "rate"),
    connections: Annotated[int, _help("ports", "connections")] = int(_default("ports", "connections")),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Try the ports of 127.0.0.1, as a scanner does with those of others (T1046).

    Example: faultline attack ports --connections 200
    """
    _attack("ports", seconds, {"rate": rate, "connections": connections}, yes, Voice.of(quiet, as_json))


@app.command()
def exfil(
    seconds: Seconds = 60.0,
    rate: Annotated[float, _help("exfil", "rate")] = _default("exfil", "rate"),
    yes: Yes = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Send data out, but only to itself at 127.0.0.1 (T1041): see it with `source host --loopback`.

    Example: faultline attack exfil --rate 50
    """
    _attack("exfil", seconds, {"rate": rate}, yes, Voice.of(quiet, as_json))


def _attack(kind: str, seconds: float, values: dict[str, float], yes: bool, voice: Voice) -> None:
    from workers.cli.attacking import exercise

    if sys.platform == "win32":
        raise Failure("attacks need fork and process groups, which Windows does not have")
    try:
        wish = Wish(kind, seconds, values)
    except OutOfBounds as error:
        raise WrongUse(str(error)) from error
    voice.console.print(wish.says, markup=False)
    if not yes and not sys.stdin.isatty():
        raise WrongUse("nothing was done: say --yes, since nobody can be asked here")
    if not yes and not typer.confirm("Go on?", err=True):
        raise Failure("nothing was done")
    exercise(wish, voice)
