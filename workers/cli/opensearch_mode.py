"""`faultline opensearch` without a command: its flags are those of `train` or of `test`, as --mode or somebody says."""

from __future__ import annotations

from typing import Any

from rich.prompt import Prompt
from typer.core import TyperGroup

from workers.cli.failures import WrongUse
from workers.cli.opensearch_access import interactive

MODES = ("train", "test")
_FLAG = "--mode"


class ModeGroup(TyperGroup):
    """Puts the command in where the first word is a flag, or there is none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        helpless = not set(args) & set(ctx.help_option_names)
        if not ctx.resilient_parsing and (helpless or _says_mode(args)) and not (args and args[0][:1] != "-"):
            args = with_mode(args)
        return super().parse_args(ctx, args)


def with_mode(args: list[str]) -> list[str]:
    """The same flags behind the command that they are of; asked for on a terminal. Raises `WrongUse`."""
    rest, mode, words = [], "", iter(args)
    for word in words:
        if word == _FLAG:
            mode = next(words, "")
        elif word.startswith(f"{_FLAG}="):
            mode = word.removeprefix(f"{_FLAG}=")
        else:
            rest.append(word)
    if not mode and not _says_mode(args):
        mode = _asked() if interactive("--non-interactive" in args) else MODES[0]
    if mode not in MODES:
        raise WrongUse(f"{_FLAG} {mode}: choose {' or '.join(MODES)}")
    return [mode, *rest]


def _says_mode(args: list[str]) -> bool:
    return any(word == _FLAG or word.startswith(f"{_FLAG}=") for word in args)


def _asked() -> str:
    return Prompt.ask("Train a model, or test data by one?", choices=list(MODES), default=MODES[0])
