"""Dead letters: the original record, and headers that say where it came from and why it could not be processed."""

from __future__ import annotations

from workers.runtime.records import DeadLetter, Headers, Output, Records

MARGIN = 64 << 10
"""A dead letter is larger than its record by its headers: topic and producer limits exceed the input's by this."""

_MESSAGE_BYTES = 4096
_FRAMING = 2048


def dead_letter(letter: DeadLetter, records: Records, topic: str, stage: str, partitions: int, limit: int) -> Output:
    """The output for one dead letter; it goes to the input's partition modulo the dead-letter topic's count.

    A record may have arrived compressed and be larger than the `limit` (bytes) of any topic. What does not fit is
    cut off the value, and then header `faultline-truncated` holds its full length: poison must not stop a worker.
    """
    index = letter.index
    key, value, original = records.keys[index], records.values[index], list(records.headers[index] or ())
    headers = [
        ("faultline-source-topic", records.topic.encode()),
        ("faultline-source-partition", str(records.partition).encode()),
        ("faultline-source-offset", str(records.offsets[index]).encode()),
        ("faultline-stage", stage.encode()),
        ("faultline-error-class", letter.error_class.encode()),
        ("faultline-error-message", letter.message.encode(errors="replace")[:_MESSAGE_BYTES]),
    ]
    room = limit - _FRAMING - _size(headers) - _size(original) - len(key or b"")
    if value is not None and len(value) > room:
        headers.append(("faultline-truncated", str(len(value)).encode()))
        if room <= 0:  # headers or key alone are too large
            key, original, room = None, [], limit - _FRAMING - _size(headers)
        value = value[: max(0, room)]
    return Output(topic, key, value, [*original, *headers], records.partition % partitions)


def _size(headers: Headers) -> int:
    return sum(len(name) + len(value) for name, value in headers)
