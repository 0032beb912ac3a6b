"""What is wrong with a file of queries."""

from __future__ import annotations


class QueryFileError(ValueError):
    """A file that cannot be used. The message names the query, the field and what would be right, a line each."""
