"""Names of experiments and of the files inside them."""

from __future__ import annotations

import pytest

from specweave.errors import DataError
from specweave.experiments.names import NAME_RULE, clean_name, file_name, split_name


@pytest.mark.parametrize(
    ("given", "slug"),
    [
        ("xgboost", "xgboost"),
        ("XGBoost depth=6", "XGBoost-depth-6"),
        ("../../etc/passwd", "etc-passwd"),
        ("a..b", "a.b"),
        ("v1.2", "v1.2"),
        ("rocket 🚀 model", "rocket-model"),
        ("модель", "модель"),
        ("C:\\models\\x", "C-models-x"),
        ("tab\tand\nline", "tab-and-line"),
        ("x" * 300, "x" * 80),
    ],
)
def test_names_become_safe_slugs(given: str, slug: str) -> None:
    assert clean_name(given) == slug


def test_a_long_name_of_wide_letters_still_fits_a_file_system() -> None:
    assert len(f"exp-001-{clean_name('模' * 300)}".encode()) < 255


@pytest.mark.parametrize("given", ["", "..", "🚀🚀", "///", "---", " "])
def test_a_name_of_which_nothing_is_left_is_refused_with_the_rule(given: str) -> None:
    with pytest.raises(DataError, match="no usable experiment name") as caught:
        clean_name(given)
    assert NAME_RULE in str(caught.value)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("exp-003-xgboost", (3, "xgboost")),
        ("exp-1234-x", (1234, "x")),
        ("exp-7", (7, "run")),
        ("exp-000-x", (None, "exp-000-x")),
        ("experiment-3", (None, "experiment-3")),
    ],
)
def test_a_name_may_ask_for_its_number(given: str, expected: tuple[int | None, str]) -> None:
    assert split_name(given) == expected


def test_a_file_name_may_hold_folders() -> None:
    assert file_name("plots//roc.png") == "plots/roc.png"


@pytest.mark.parametrize("given", ["../x", "/etc/passwd", "", "a/../../b", "C:/x", "a\x00b", "x" * 300])
def test_a_file_name_cannot_leave_its_folder(given: str) -> None:
    with pytest.raises(DataError, match="not a usable file name"):
        file_name(given)
