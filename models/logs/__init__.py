"""Kinds of log messages: texts are masked, training mines templates of them, and workers match what was frozen."""
