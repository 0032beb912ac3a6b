"""What members agree on."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.evaluation.consensus import agreed, votes


@given(arrays(np.float64, (12, 4), elements=st.floats(0, 10)), st.integers(1, 4))
def test_the_agreed_score_reaches_the_boundary_where_enough_members_do(scores: np.ndarray, agree: int) -> None:
    assert ((agreed(scores, agree) >= 1.0) == ((scores >= 1.0).sum(axis=1) >= agree)).all()


def test_votes_are_rows_with_at_least_so_many_members() -> None:
    flagged = np.array([[True, True, True], [True, False, True], [False, False, False], [False, True, False]])
    assert votes(flagged).tolist() == [3, 2, 1]


@pytest.mark.parametrize("agree", [0, 4])
def test_more_than_all_or_none_cannot_agree(agree: int) -> None:
    with pytest.raises(ValueError, match="expected 1 to 3"):
        agreed(np.zeros((2, 3)), agree)
