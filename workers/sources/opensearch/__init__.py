"""Indices of OpenSearch (and of Elasticsearch 7): listed, read exactly once, in order, whatever happens in between."""
