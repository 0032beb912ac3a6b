"""Mining: from the messages of training to templates, by Drain.

He et al., "Drain: An Online Log Parsing Approach with Fixed Depth Tree" (ICWS 2017), as the library drain3 has it.
What changes from line to line is masked before, so a text is given to Drain once, however often it was said. Drain
decides which texts are of a kind; what is counted, and shown as an example, is what the frozen templates match.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.logs.masking import MASK, mask, words
from models.logs.matching import Matcher
from models.logs.templates import MAX_COUNTED, MAX_TEMPLATES, Template, Templates, TemplatesError

EXAMPLE_CHARACTERS = 300


@dataclass(frozen=True, slots=True)
class MiningPolicy:
    """How to mine. Two texts are of a kind where at least the share `similarity` of a text's unmasked words is the
    same; `most` kinds are kept, and `counted` of them get features of their own. The tree has `depth` levels and a node
    `children` at most. Of at most `distinct` masked texts it is known how often they were said; what exceeds that is
    grouped, but of the kinds that it makes the rarest are dropped.
    """

    similarity: float = 0.7
    most: int = 2_000
    counted: int = 32
    depth: int = 4
    children: int = 100
    distinct: int = 1_000_000
    examples: bool = True

    def __post_init__(self) -> None:
        if not 0.0 < self.similarity <= 1.0:
            raise TemplatesError(f"similarity is a share of words, above 0 and up to 1, not {self.similarity}")
        if not 1 <= self.most <= MAX_TEMPLATES:
            raise TemplatesError(f"1 to {MAX_TEMPLATES:,} templates can be kept, not {self.most:,}")
        if not 0 <= self.counted <= MAX_COUNTED:
            raise TemplatesError(f"up to {MAX_COUNTED} templates can have features of their own, not {self.counted}")


class Miner:
    """Takes messages block by block, in the order in which they were said; the same blocks give the same templates."""

    def __init__(self, policy: MiningPolicy | None = None) -> None:
        """Raises ModuleNotFoundError without the extra `logs`."""
        from models.logs.drain import MaskedDrain

        self._policy = policy or MiningPolicy()
        self._drain = MaskedDrain(
            depth=self._policy.depth,
            sim_th=self._policy.similarity,
            max_children=self._policy.children,
            max_clusters=max(MAX_TEMPLATES, 2 * self._policy.most),
            param_str=MASK,
        )
        self._said: Counter[bytes] = Counter()
        self._examples: dict[bytes, str] = {}
        self._overflow = 0
        self.lines = 0
        self._start, self._end = 0, 0

    def take(self, texts: Sequence[str], lines: NDArray[np.int64] | None = None, at: tuple[int, int] = (0, 0)) -> None:
        """Distinct texts, each said so many times (once, where not given), between two times in microseconds."""
        often = lines.tolist() if lines is not None else [1] * len(texts)
        said = self._said
        for text, masked, n in zip(texts, mask(texts), often, strict=True):
            if not masked or n == 0:
                continue
            self.lines += n
            if masked in said:
                said[masked] += n
                continue
            self._drain.add_log_message(masked.decode("utf-8", "replace"))
            if len(said) < self._policy.distinct:
                said[masked] = n
                self._examples[masked] = text[:EXAMPLE_CHARACTERS]
            else:
                self._overflow += n
        if at[1]:
            self._start, self._end = min(self._start or at[0], at[0]), max(self._end, at[1])

    def freeze(self) -> Templates:
        """The templates so far. Raises `TemplatesError` where no message was taken."""
        if not self.lines:
            raise TemplatesError("no message to mine: events need the attribute `message` (docs/logs.md)")
        found = dict.fromkeys(tuple(cluster.log_template_tokens) for cluster in self._drain.clusters if cluster)
        counted = self._counted(self._frozen([Template(one, 0) for one in found if one]))
        kept = [one for one in counted if one.lines][: self._policy.most]
        # Without its rarer neighbours a template may match more.
        kept = [one for one in self._counted(self._frozen(kept)) if one.lines]
        known = sum(one.lines for one in kept)
        return self._frozen(kept, self.lines - known)

    def _frozen(self, templates: Sequence[Template], left_out: int = 0) -> Templates:
        counted = min(self._policy.counted, len(templates))
        return Templates(tuple(templates[:MAX_TEMPLATES]), counted, self.lines, left_out, self._start, self._end)

    def _counted(self, templates: Templates) -> list[Template]:
        """The templates with their lines and examples, those of the most lines first."""
        matcher, lines = Matcher(templates), [0] * len(templates.templates)
        examples: dict[int, str] = {}
        for masked, n in self._said.items():
            place = matcher.place(masked)
            if place >= 0:
                lines[place] += n
                examples.setdefault(place, self._examples[masked])
        found = [
            Template(one.words, lines[i], examples.get(i, "") if self._policy.examples else "")
            for i, one in enumerate(templates.templates)
        ]
        return sorted(found, key=lambda one: (-one.lines, one.words))


def readable(masked: bytes) -> str:
    """A masked text for people."""
    return " ".join(words(masked))
