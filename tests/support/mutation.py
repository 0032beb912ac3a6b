"""Inputs that nobody meant: valid samples with bytes flipped, cut, spliced and repeated, and tokens made absurd."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from random import Random

_NUMBERS = (b"-0", b"1e400", b"-1e-400", b"9" * 400, b"9223372036854775808", b"1" + b"0" * 30, b"0.1e", b"NaN", b"true")
_TEXTS = (
    b'""',
    b"null",
    b'"\\ud800"',
    b'"\\u0000"',
    b'"' + b"x" * 40_000 + b'"',
    b'"\xff\xfe"',
    b"[]",
    b"{}",
    b'"NaN"',
)
_BYTES = (0, 1, 0x0A, 0x22, 0x5C, 0x7B, 0x7F, 0x80, 0xFF)
_VARINTS = (
    b"\xff" * 9 + b"\x01",
    b"\xff" * 10,
    b"\x80" * 12,
    b"\xff\xff\xff\xff\x0f",
    b"\x00",
    b"\x80\x80\x80\x80\x08",
)
_DOUBLES = (b"\x00" * 6 + b"\xf0\x7f", b"\x02" + b"\x00" * 5 + b"\xf0\x7f", b"\xff" * 8, b"\x00" * 7 + b"\x80")
_NUMBER, _TEXT = re.compile(rb"-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?"), re.compile(rb'"(?:[^"\\]|\\.)*"')

Mutation = Callable[[Random, bytearray, Sequence[bytes]], None]
"""Changes a value in place; the samples are there to take pieces from."""


def mutants(samples: Sequence[bytes], count: int, seed: int) -> Iterator[bytes]:
    """So many inputs, the samples themselves first. The same seed gives the same ones."""
    random = Random(seed)
    yield from samples[:count]
    for _ in range(count - len(samples[:count])):
        value = bytearray(random.choice(samples))
        for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
            random.choice(_MUTATIONS)(random, value, samples)
        yield bytes(value)


def _flip(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    for _ in range(random.choice((1, 1, 2, 16))):
        if value:
            value[random.randrange(len(value))] ^= 1 << random.randrange(8)


def _set(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    if value:
        value[random.randrange(len(value))] = random.choice(_BYTES)


def _cut(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    start = random.randrange(len(value) + 1)
    del value[start : random.choice((len(value), start + 1, start + random.randrange(1, 40)))]


def _insert(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    at = random.randrange(len(value) + 1)
    value[at:at] = random.choice((*_VARINTS, *_DOUBLES, random.randbytes(random.randrange(1, 12))))


def _overwrite(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    at, piece = random.randrange(len(value) + 1), random.choice((*_VARINTS, *_DOUBLES))
    value[at : at + len(piece)] = piece


def _splice(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    other = random.choice(samples)
    start = random.randrange(len(other) + 1)
    at = random.randrange(len(value) + 1)
    value[at : at + random.choice((0, 0, 20, len(value)))] = other[start : start + random.randrange(1, 200)]


def _repeat(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    start = random.randrange(len(value) + 1)
    piece = value[start : start + random.randrange(1, 60)]
    value[start:start] = piece * random.choice((1, 2, 50))


def _nest(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
    at, opening = random.randrange(len(value) + 1), random.choice((b"[", b'{"a":', b"\x0a\x80\x01"))
    value[at:at] = opening * random.choice((3, 200, 3_000))


def _token(pattern: re.Pattern[bytes], absurd: Sequence[bytes]) -> Mutation:
    def change(random: Random, value: bytearray, samples: Sequence[bytes]) -> None:
        found = [match.span() for match in pattern.finditer(value)]
        if found:
            start, end = random.choice(found)
            value[start:end] = random.choice(absurd)

    return change


_MUTATIONS: tuple[Mutation, ...] = (
    _flip,
    _flip,
    _set,
    _cut,
    _insert,
    _overwrite,
    _splice,
    _repeat,
    _nest,
    _token(_NUMBER, _NUMBERS),
    _token(_NUMBER, _NUMBERS),
    _token(_TEXT, _TEXTS),
)
