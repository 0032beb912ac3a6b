"""Named feature sets and their formulas, the same live and in training."""
