"""Why a record cannot be read: a small closed set of error classes, and an exception that carries one."""

from __future__ import annotations

from typing import Final

NULL_VALUE: Final = "null_value"
"""The record has no value, or an empty one."""

UNKNOWN_FORM: Final = "unknown_form"
"""The first bytes are neither JSON, Avro single-object encoding nor Confluent framing."""

UNKNOWN_SCHEMA: Final = "unknown_schema"
"""Avro, written with a schema that nobody here can look up, or that cannot be resolved to ours."""

MALFORMED: Final = "malformed"
"""The bytes are not what their form promises: cut off, too long, damaged, no UTF-8, no JSON."""

INVALID: Final = "invalid"
"""Well formed, but a field is missing, of a wrong type, or has a value that it cannot have."""

TOO_LARGE: Final = "too_large"
"""A text, or the number of attributes, metrics or buckets, exceeds its limit."""

KEY_MISMATCH: Final = "key_mismatch"
"""The record's key is not its entity, so that it may lie in a partition where nobody looks for it."""

ERROR_CLASSES: Final = (NULL_VALUE, UNKNOWN_FORM, UNKNOWN_SCHEMA, MALFORMED, INVALID, TOO_LARGE, KEY_MISMATCH)


class Unreadable(Exception):
    """A record that cannot be read, with its error class and a message that names the field."""

    def __init__(self, error_class: str, message: str) -> None:
        super().__init__(message)
        self.error_class = error_class
        self.message = message


def shown(text: str, most: int = 60) -> str:
    """A text from outside as it may stand in a message: quoted, its control characters escaped, cut off."""
    return repr(text if len(text) <= most else text[:most] + "…")
