"""Drain with what is masked left out of likeness; needs the extra `logs`."""

from __future__ import annotations

from collections.abc import Sequence

from drain3.drain import Drain

from models.logs.masking import MASK


class MaskedDrain(Drain):
    """Two texts are alike by the share of their unmasked words that are the same.

    drain3 counts masked words as different ones: a text of many numbers would be like no other, and its kinds would
    fall apart by each word that varies.
    """

    def get_seq_distance(self, seq1: Sequence[str], seq2: Sequence[str], include_params: bool) -> tuple[float, int]:
        """Likeness of a template (`seq1`) and a text's words (`seq2`), 0 to 1, and how many masks the template has."""
        own = [(a, b) for a, b in zip(seq1, seq2, strict=True) if b != MASK]
        masks = sum(a == MASK for a in seq1)
        if not own:
            return float(tuple(seq1) == tuple(seq2)), masks
        return sum(a == b for a, b in own) / len(own), masks
