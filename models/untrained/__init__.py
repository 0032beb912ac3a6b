"""Scores without training: from what a vector says of its entity's own recent past."""
