"""The windows worker: events into rolling windows, windows into feature vectors."""
