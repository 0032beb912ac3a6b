"""Dead letters: the original record, and headers that say where it came from and why it could not be processed."""

from __future__ import annotations

from workers.runtime.records import DeadLetter, Output, Records

MARGIN = 64 << 10
"""A dead letter is larger than its record by its headers: topic and producer limits exceed the input's by this."""

_MESSAGE_BYTES = 4096


def dead_letter(letter: DeadLetter, records: Records, topic: str, stage: str, partitions: int) -> Output:
    """The output for one dead letter; it goes to the input's partition modulo the dead-letter topic's count."""
    index = letter.index
    headers = [
        *(records.headers[index] or ()),
        ("faultline-source-topic", records.topic.encode()),
        ("faultline-source-partition", str(records.partition).encode()),
        ("faultline-source-offset", str(records.offsets[index]).encode()),
        ("faultline-stage", stage.encode()),
        ("faultline-error-class", letter.error_class.encode()),
        ("faultline-error-message", letter.message.encode(errors="replace")[:_MESSAGE_BYTES]),
    ]
    return Output(topic, records.keys[index], records.values[index], headers, records.partition % partitions)
