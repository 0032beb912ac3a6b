"""The scoring worker: vectors in, calibrated scores with reasons out."""
