"""UBJSON as XGBoost writes it, and bytes that are none."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.ubj import UbjError, read_ubj


def _text(text: str) -> bytes:
    return b"L" + struct.pack(">q", len(text.encode())) + text.encode()


WHOLE = (
    b"{"
    + _text("name")
    + b"S"
    + _text("trees é")
    + _text("none")
    + b"Z"
    + _text("list")
    + b"[TFi\xffU\xffI\x01\x00l\x00\x01\x00\x00L\x00\x00\x00\x01\x00\x00\x00\x00]"
    + _text("counted")
    + b"[#i\x02i\x07d"
    + struct.pack(">f", 1.5)
    + _text("array")
    + b"[$d#L"
    + struct.pack(">q2f", 2, -0.25, 3.0)
    + _text("inner")
    + b"{"
    + _text("x")
    + b"D"
    + struct.pack(">d", 0.1)
    + b"}}"
)


def test_every_kind_of_value_is_read() -> None:
    found = read_ubj(WHOLE)
    array = found.pop("array")
    assert array.tolist() == [-0.25, 3.0]
    assert found == {
        "name": "trees é",
        "none": None,
        "list": [True, False, -1, 255, 256, 65536, 1 << 32],
        "counted": [7, 1.5],
        "inner": {"x": 0.1},
    }


@pytest.mark.parametrize(
    ("blob", "said"),
    [
        (b"", "ends too early"),
        (b"i", "ends too early"),
        (WHOLE[:-1], "ends too early"),
        (WHOLE + b"Z", "follows its end"),
        (b"[" * 40, "nested too deeply"),
        (b"Q", "no value begins with"),
        (b"[$d#L" + struct.pack(">q", 1 << 40), "a length"),
        (b"[#L" + struct.pack(">q", -1), "a length"),
        (b"[$Z#i\x05", "typed arrays"),
        (b"[$di\x05", "a type without a count"),
        (b"{#i\x01", "objects are plain"),
        (b"Si\x01\xff", "utf-8"),
    ],
)
def test_what_is_no_document_is_refused(blob: bytes, said: str) -> None:
    with pytest.raises(UbjError, match=said):
        read_ubj(blob)


@given(where=st.integers(0, len(WHOLE) - 1), byte=st.integers(0, 255), cut=st.integers(0, len(WHOLE)))
@settings(max_examples=300, deadline=None)
def test_damaged_bytes_give_a_document_or_an_error_of_ours(where: int, byte: int, cut: int) -> None:
    blob = bytearray(WHOLE)
    blob[where] = byte
    for damaged in (bytes(blob), WHOLE[:cut]):
        try:
            read_ubj(damaged)
        except UbjError:
            continue


def test_a_model_reads_as_its_json_does() -> None:
    import json

    import xgboost

    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 3))
    booster = xgboost.train({"objective": "binary:logistic", "nthread": 1}, xgboost.DMatrix(X, X[:, 0] > 0), 3)

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {name: plain(one) for name, one in value.items()}
        if isinstance(value, np.ndarray):
            return value.tolist() if value.dtype.kind in "iu" else [pytest.approx(float(one)) for one in value]
        return [plain(one) for one in value] if isinstance(value, list) else value

    assert plain(read_ubj(bytes(booster.save_raw("ubj")))) == json.loads(booster.save_raw("json"))
