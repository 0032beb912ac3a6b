"""Indices of OpenSearch: listed, read exactly once, in order, whatever happens in between."""
