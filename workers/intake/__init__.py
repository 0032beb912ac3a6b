"""The intake worker: raw records of any wire format in, canonical events keyed by entity out."""
