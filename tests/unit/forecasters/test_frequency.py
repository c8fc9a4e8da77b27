"""Steps are found from stamps, and irregular ones are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from specweave.errors import DataError, SpecError
from specweave.forecasters.frequency import infer_frequency, parse_frequency


@pytest.mark.parametrize(
    ("alias", "name", "season"),
    [("D", "D", 7), ("W-FRI", "W-FRI", 52), ("MS", "MS", 12), ("ME", "ME", 12), ("QS", "QS", 4), ("YS", "YS", 1),
     ("h", "h", 24), ("B", "B", 5), ("30min", "30min", 48), ("15min", "15min", 96)],
)  # fmt: skip
def test_usual_frequencies_are_found_and_stamps_survive_the_way_to_steps_and_back(
    alias: str, name: str, season: int
) -> None:
    stamps = pd.date_range("2019-01-01", periods=60, freq=alias).to_numpy()
    found = infer_frequency([stamps])
    assert (found.name, found.season) == (name, season)
    steps = found.steps(stamps)
    assert np.array_equal(steps, steps[0] + np.arange(60))
    assert np.array_equal(found.stamps(steps), stamps.astype("datetime64[us]"))


def test_gaps_do_not_hide_the_step() -> None:
    stamps = pd.date_range("2020-01-01", periods=50, freq="W-SAT").delete([3, 4, 20]).to_numpy()
    found = infer_frequency([stamps])
    assert found.name == "W-SAT"
    assert np.diff(found.steps(stamps)).tolist().count(1) == 44


def test_stamps_on_the_thirtieth_are_monthly_even_in_february() -> None:
    stamps = np.array(["2023-01-30", "2023-02-28", "2023-03-30", "2023-04-30"], dtype="datetime64[D]")
    found = infer_frequency([stamps])
    assert found.unit == "month"
    assert found.on_grid(stamps).all()


def test_whole_numbers_are_steps_of_their_common_distance() -> None:
    found = infer_frequency([np.array([10, 20, 40]), np.array([30, 50])])
    assert (found.unit, found.size, found.season) == ("step", 10, 1)
    assert found.steps(np.array([10, 40])).tolist() == [1, 4]


def test_series_of_two_frequencies_are_refused_with_their_names() -> None:
    days = pd.date_range("2020-01-01", periods=40, freq="D").to_numpy()
    weeks = pd.date_range("2020-01-01", periods=40, freq="7D").to_numpy()
    with pytest.raises(
        DataError, match="mixed frequencies: 'north' has a stamp every day, 'south' every 7 days"
    ):
        infer_frequency([days, weeks], ["north", "south"])


def test_a_week_on_another_day_is_refused_by_its_date() -> None:
    stamps = pd.date_range("2020-01-05", periods=30, freq="7D").to_numpy().copy()
    stamps[12] += np.timedelta64(1, "D")
    with pytest.raises(DataError, match="2020-03-30"):
        infer_frequency([np.sort(stamps)])


def test_no_two_stamps_have_no_step() -> None:
    with pytest.raises(DataError, match="no series has two stamps"):
        infer_frequency([np.array(["2020-01-01"], dtype="datetime64[D]")])


def test_words_for_frequencies_are_understood_and_others_refused() -> None:
    assert parse_frequency("Weekly") == ("W", 52)
    assert parse_frequency("W-FRI") == ("W", 52)
    with pytest.raises(SpecError, match="is no frequency"):
        parse_frequency("fortnightly")


@given(st.integers(1, 40), st.integers(-500, 500), st.integers(2, 30))
def test_numbered_steps_come_back_unchanged(size: int, start: int, n: int) -> None:
    stamps = start + size * np.arange(n)
    found = infer_frequency([stamps])
    assert np.array_equal(found.stamps(found.steps(stamps)), stamps)
