"""Benchmarks: each beside a peer or a physical limit in the same run, reported as ratios. `make bench` runs them."""
