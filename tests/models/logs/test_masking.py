"""What of a message changes from line to line becomes `<*>`, whatever stands around it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.logs.masking import MASK, MAX_BYTES, MAX_WORDS, mask, words


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("request served", "request served"),
        ("GET /cart/17 from 10.0.0.1:8080 took 12 ms", "GET /cart/<*> from <*> took <*> ms"),
        ("id=3f0c-77aa user=bob [2026-03-01T12:00:00Z]", "id=<*> user=bob [<*>]"),
        ('{"a": 1, "b": "x"}', '{"a": <*>, "b": "x"}'),
        ("key deadbeefcafe of bad", "key <*> of bad"),
        ("list 1,2,3,4 and 1;2", "list <*> and <*>"),
        ("x" * 49 + " end", "<*> end"),
        ("  two\t words  \nsecond line", "two words"),
        ("\n\n late", "late"),
        ("größe 12 überschritten", "größe <*> überschritten"),
        ("", ""),
        (" \n ", ""),
    ],
)
def test_a_message_is_masked(text: str, masked: str) -> None:
    assert mask([text]) == [masked.encode()]


@given(st.lists(st.text(max_size=60)))
def test_a_text_is_masked_the_same_alone_and_in_company(texts: list[str]) -> None:
    assert mask(texts) == [mask([text])[0] for text in texts]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=3_000))
def test_masked_texts_are_bounded_and_keep_no_digit(text: str) -> None:
    (masked,) = mask([text])
    assert len(masked) <= 3 * MAX_BYTES
    assert len(words(masked)) <= MAX_WORDS
    assert not any(b"0"[0] <= byte <= b"9"[0] for byte in masked)
    assert all(words(masked)) or not masked


@given(st.integers(0, 10**12), st.ip_addresses(v=4))
def test_numbers_and_addresses_make_no_new_kind(number: int, address: object) -> None:
    assert mask([f"request {number} from {address} failed"]) == [f"request {MASK} from {MASK} failed".encode()]


def test_a_long_text_does_not_differ_by_where_it_was_cut() -> None:
    texts = [f"{'9' * n} " + "word" * 12 + " same" * 300 for n in range(1, 40)]
    assert len(set(mask(texts))) == 1
