"""What the toy stages are fed with: events mostly in order, some late, some far ahead, some poison."""

from __future__ import annotations

import random

KEYS = (b"ada", b"bob", b"cid", b"dan", b"eve")


def values(rng: random.Random, count: int) -> list[tuple[bytes, bytes]]:
    """`count` pairs of key and value. Time moves on by one or two a record; a jump closes many panes at once."""
    made, time = [], 0
    for _ in range(count):
        kind = rng.random()
        key = rng.choice(KEYS)
        time += rng.choice((0, 1, 1, 2))
        if kind < 0.80:
            value = b"%d:%d" % (max(0, time - rng.choice((0, 0, 0, 3, 8))), rng.randrange(100))
        elif kind < 0.88:
            value = b"%d:%d" % (max(0, time - rng.randrange(60)), rng.randrange(100))
        elif kind < 0.92:
            time += rng.randrange(20, 60)
            value = (b"%d:1" if rng.random() < 0.5 else b"skew:%d") % time if rng.random() < 0.7 else b"many:%d" % 17
        elif kind < 0.96:
            value = b"skew:%d" % time
        else:
            value = b"nonsense"
        made.append((key, value))
    return made
