"""The incidents worker: anomalous scores in, incident lifecycle events out."""
