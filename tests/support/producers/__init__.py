"""Real producers of telemetry, as others run them: each writes where it is told until its block ends.

`python -m tests.support.producers.capture` has them write the golden records of tests/workers/intake/golden anew.
"""
