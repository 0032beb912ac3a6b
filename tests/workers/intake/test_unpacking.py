"""Records that producers compressed: unpacked within a bound, or a dead letter with the reason."""

from __future__ import annotations

import gzip
import tracemalloc
from collections.abc import Callable

import cramjam
import orjson
import pytest

from schemas.faults import Unreadable
from tests.workers.intake.test_intake_stage import CANONICAL, PLAIN, canonical, decoded, intake, letters, outputs, step
from workers.intake.unpacking import block, unpacked

MOST = 1_000_000


def xerial(value: bytes) -> bytes:
    """As the Java library writes it: blocks of 32 KiB."""
    blocks = [bytes(cramjam.snappy.compress_raw(value[at : at + 32_768])) for at in range(0, len(value), 32_768)]
    header = b"\x82SNAPPY\x00" + (1).to_bytes(4, "big") * 2
    return header + b"".join(len(one).to_bytes(4, "big") + one for one in blocks)


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": lambda value: bytes(cramjam.zstd.compress(value)),
    "lz4": lambda value: bytes(cramjam.lz4.compress(value)),
    "snappy": lambda value: bytes(cramjam.snappy.compress(value)),
    "xerial": xerial,
}


@pytest.mark.parametrize("form", FORMS)
def test_what_a_producer_compressed_is_read_as_if_it_had_not(form: str) -> None:
    packed = [FORMS[form](one) for one in (orjson.dumps(PLAIN), canonical("avro"), orjson.dumps(CANONICAL))]
    mixed = [PLAIN, *packed, PLAIN]
    found = [event["entity"] for event in decoded(outputs(mixed))]
    assert found == ["checkout", "checkout", "prod/checkout", "prod/checkout", "checkout"]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [0, 1, 40_000, MOST])
def test_every_size_up_to_the_bound_comes_back(form: str, size: int) -> None:
    value = (b"ab" * size)[:size]
    assert unpacked(FORMS[form](value), MOST) == value


@pytest.mark.parametrize("form", FORMS)
def test_a_bomb_is_a_dead_letter_that_never_was_in_memory(form: str) -> None:
    bomb = FORMS[form](bytes(50_000_000))
    one = intake(INTAKE__MAX_UNPACKED_BYTES=str(MOST), INTAKE__MAX_RECORD_BYTES="10000000")
    tracemalloc.start()
    (chunk,) = step([PLAIN, bomb, PLAIN], one)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [(letter.index, letter.error_class) for letter in chunk.dead] == [(1, "too_large")]
    assert "FAULTLINE_INTAKE__MAX_UNPACKED_BYTES" in chunk.dead[0].message
    assert len(chunk.outputs) == 2
    assert most < 5 * MOST


@pytest.mark.parametrize("form", FORMS)
def test_damage_is_a_dead_letter_and_neighbours_pass(form: str) -> None:
    packed = FORMS[form](orjson.dumps(PLAIN) * 50)
    found = letters([PLAIN, packed[: len(packed) // 2], PLAIN])
    assert list(found) == [1]


def test_a_packed_record_within_a_packed_record_is_not_looked_into() -> None:
    assert "unknown wire format" in letters([gzip.compress(gzip.compress(orjson.dumps(PLAIN)))])[0]


def test_many_records_that_unpack_to_much_are_read_a_few_at_a_time() -> None:
    large = gzip.compress(orjson.dumps({**PLAIN, "message": "x" * 3_000_000}))
    chunks = step([large] * 6)
    assert [chunk.done for chunk in chunks] == [2, 4, 6]
    assert sum(chunk.counts["processed"] for chunk in chunks) == 6


def test_a_document_of_ten_megabytes_is_read_where_it_was_compressed() -> None:
    large = gzip.compress(orjson.dumps({**PLAIN, "message": "x" * 10_000_000}))
    assert len(outputs([large])) == 1
    assert "FAULTLINE_INTAKE__MAX_RECORD_BYTES" in letters([{**PLAIN, "message": "x" * 10_000_000}])[0]


@pytest.mark.parametrize("value", [b"", b"\x80", b"\xff" * 8, b"\x05\x10abc", b"\x80\x80\x80\x80\x08abc"])
def test_a_block_that_is_damaged_or_says_it_is_huge_is_refused(value: bytes) -> None:
    with pytest.raises(Unreadable):
        block(value, MOST, "the value")
