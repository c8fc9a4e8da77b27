"""Numbers as people read them."""

from __future__ import annotations

import pytest

from specweave.stages.numbers import short_number


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.842, "0.8420"), (-0.0066, "-0.0066"), (12.3456, "12.35"), (1234.56, "1,235"), (45237.4, "45,237"),
     (3, "3"), (1409, "1,409"), (2.0, "2"), (1.23e-5, "1.23e-05"), (0.0, "0"), (float("nan"), "n/a"),
     (float("-inf"), "-∞"), ("NaN", "n/a"), ("Month-to-month", "Month-to-month"), (None, ""), (True, "True")],
)  # fmt: skip
def test_a_number_is_shown_as_a_reader_wants_it(value: object, text: str) -> None:
    assert short_number(value) == text


def test_a_difference_carries_its_sign() -> None:
    assert short_number(0.0042, sign=True) == "+0.0042"
    assert short_number(-19141.2, sign=True) == "-19,141"
