"""The groups worker: incidents of several entities in, groups of those that belong together out."""
