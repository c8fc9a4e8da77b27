"""Tables of series as users keep them: sorted, placed, and refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from specweave.errors import DataError
from specweave.forecasters.long_table import check_series, read_long, zero_share
from specweave.forecasters.roles import (
    asks_for_future,
    find_horizon,
    find_known_ahead,
    find_series,
    find_split_time,
    find_time,
)
from specweave.increments.spec import load_spec
from specweave.problems.forecasting import Forecasting
from specweave.tables.kinds import infer_kinds


def weekly(stores: int = 2, weeks: int = 120, date_format: str = "%d-%m-%Y") -> pd.DataFrame:
    stamps = pd.date_range("2020-01-03", periods=weeks, freq="W-FRI").strftime(date_format)
    rng = np.random.default_rng(0)
    parts = [
        pd.DataFrame({"Store": s, "Date": stamps, "Sales": 100 * s + rng.normal(0, 5, weeks).round(2)})
        for s in range(1, stores + 1)
    ]
    return pd.concat(parts, ignore_index=True)


def codes(table: object) -> list[str]:
    return [f.code for f in table.findings]  # type: ignore[attr-defined]


def test_day_first_dates_are_placed_by_week() -> None:
    table = read_long(weekly().sample(frac=1, random_state=1), time="Date", target="Sales", series=["Store"])
    assert table.frequency.name == "W-FRI"
    assert table.ids[0] == "1" and len(np.unique(table.ids)) == 2
    assert np.array_equal(np.diff(table.steps[:120]), np.ones(119))
    assert table.stamps.write(table.frequency.stamps([table.steps[0]])) == ["03-01-2020"]


def test_dates_that_tell_no_day_from_month_are_read_the_regular_way() -> None:
    # Days 1 to 12 of three months in order, written day first: read month first they jump about.
    days = [f"{d:02d}/{m:02d}/2020" for m in (1, 2, 3) for d in range(1, 13)]
    frame = pd.DataFrame({"when": days, "y": np.arange(36.0)})
    table = read_long(frame.sample(frac=1, random_state=0), time="when", target="y")
    assert table.frequency.name == "D"
    assert any("day from month" in note for note in table.notes)


def test_ambiguous_dates_that_are_regular_as_they_stand_stay_so() -> None:
    frame = pd.DataFrame({"when": [f"01-{m:02d}-2020" for m in range(1, 13)], "y": np.arange(12.0)})
    assert read_long(frame, time="when", target="y").frequency.name == "MS"


def test_different_rows_of_one_stamp_are_refused_and_the_telling_column_is_named() -> None:
    with pytest.raises(DataError, match="120 stamps stand twice") as error:
        read_long(weekly(), time="Date", target="Sales")
    assert "Series column: Store" in str(error.value.hint)


def test_repeated_rows_are_left_out_and_reported() -> None:
    frame = weekly(1)
    table = read_long(pd.concat([frame, frame.tail(3)]), time="Date", target="Sales")
    assert len(table.frame) == 120
    assert codes(table) == ["SW251"]


def test_gaps_short_constant_and_nonpositive_series_are_reported() -> None:
    frame = weekly(3)
    frame = frame.drop(index=[5, 6])
    frame.loc[frame["Store"] == 2, "Sales"] = 7.0
    frame.loc[frame.index[-1], "Sales"] = 0.0
    frame = frame[(frame["Store"] != 3) | (frame.index > 290)]
    table = read_long(frame, time="Date", target="Sales", series=["Store"])
    found = {f.code: f for f in table.findings}
    assert found["SW252"].evidence == {"series": ["1"], "steps": 2}
    assert found["SW253"].evidence["series"] == ["3"]
    assert found["SW254"].evidence["series"] == ["2"]
    assert "MAPE" in found["SW255"].advice


def test_missing_and_unreadable_stamps_name_their_row() -> None:
    frame = weekly(1)
    frame.loc[4, "Date"] = None
    with pytest.raises(DataError, match=r"empty in 1 rows, first in data row 5"):
        read_long(frame, time="Date", target="Sales")
    frame.loc[4, "Date"] = "some day"
    with pytest.raises(DataError, match=r"data row 5 \('some day'\)"):
        read_long(frame, time="Date", target="Sales")


def test_days_with_changing_offsets_are_local_days() -> None:
    stamps = pd.date_range("2021-03-01", periods=60, freq="D", tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": [s.isoformat() for s in stamps], "y": np.arange(60.0)})
    table = read_long(frame, time="ds", target="y")
    assert table.frequency.name == "D"
    assert any("offsets" in note for note in table.notes)


def test_rows_after_the_last_value_are_the_future() -> None:
    frame = weekly(1)
    frame.loc[frame.index[-6:], "Sales"] = np.nan
    table = read_long(frame, time="Date", target="Sales")
    assert (len(table.frame), len(table.future)) == (114, 6)


def test_plain_steps_get_a_measured_season() -> None:
    t = np.arange(200)
    frame = pd.DataFrame({"ds": t + 1, "y": 50 + 10 * np.sin(2 * np.pi * t / 12) + 0.1 * t})
    table = read_long(frame, time="ds", target="y")
    assert (table.frequency.unit, table.frequency.season) == ("step", 12)


@pytest.mark.parametrize(
    "step", ["30min", "15min", "10min", "5min", "4h", "2D", "2W-FRI", "MS", "QE", "YS", "B", "min"]
)
def test_the_frequency_that_is_drafted_is_accepted_when_it_is_read_again(step: str) -> None:
    stamps = pd.date_range("2024-01-01", periods=60, freq=step)
    frame = pd.DataFrame({"ds": stamps.astype(str), "y": np.arange(60.0)})
    drafted = read_long(frame, time="ds", target="y").frequency
    assert read_long(frame, time="ds", target="y", frequency=drafted.name).frequency == drafted


def test_a_stated_frequency_that_is_not_the_datas_is_refused() -> None:
    with pytest.raises(DataError, match="the stamps are W-FRI, not monthly"):
        read_long(weekly(1), time="Date", target="Sales", frequency="monthly")


@pytest.mark.parametrize(
    ("request_", "frequency", "steps"),
    [("Forecast weekly sales for next 12 weeks", "W-FRI", 12), ("forecast demand for the next month", "D", 30),
     ("forecast sales for the coming two quarters", "MS", 6), ("forecast it", "MS", 12), ("predict load 24 hours ahead", "h", 24),
     ("demand of the next quarter", "D", 91), ("forecast demand for 6 weeks", "D", 42), ("a 12-month forecast of revenue", "MS", 12),
     ("load of the next 3 days", "30min", 144), ("load of the next 2 hours", "10 minutes", 12), ("forecast the next 18 months", "QS", 6)],
)  # fmt: skip
def test_the_horizon_is_read_from_the_request(request_: str, frequency: str, steps: int) -> None:
    assert find_horizon(request_, frequency)[0] == steps


def test_a_horizon_below_one_step_is_told_and_not_taken() -> None:
    steps, why = find_horizon("forecast the next 30 minutes", "h")
    assert steps == 48 and "'next 30 minutes' of the request is no whole step of h data" in why


def test_only_requests_for_the_future_ask_for_a_forecast() -> None:
    assert asks_for_future("how many bikes in the next 3 weeks")
    assert not asks_for_future("predict the number of rented bikes")
    assert not asks_for_future("predict house prices")


def test_time_series_and_known_columns_are_found() -> None:
    frame = weekly().assign(Holiday_Flag=0, Temperature=np.linspace(0, 30, 240), Fuel_Price=2.5)
    frame.loc[::10, "Holiday_Flag"] = 1
    frame.loc[::7, "Fuel_Price"] = 2.6
    kinds = infer_kinds(frame, target="Sales")
    time = find_time(frame, kinds, "Sales")
    assert time is not None and time[0] == "Date"
    assert find_series(frame, kinds, "Date", "Sales")[0] == ["Store"]
    known, others = find_known_ahead(frame, kinds, ["Date", "Sales", "Store"])
    assert known == ["Holiday_Flag"]
    assert set(others) == {"Temperature", "Fuel_Price"}


@pytest.mark.parametrize(("freq", "name"), [("D", "D"), ("W-SUN", "W-SUN"), ("MS", "MS")])
def test_days_of_a_time_zone_stay_days_where_the_clocks_change(freq: str, name: str) -> None:
    days = pd.date_range("2022-08-01", periods=90, freq=freq, tz="Europe/Berlin")
    table = read_long(pd.DataFrame({"t": days, "y": np.arange(90.0)}), time="t", target="y")
    assert table.frequency.name == name and "local days" in table.notes[0]
    assert table.stamps.write(table.frequency.stamps(table.steps[-1:])) == [str(days[-1].date())]


def test_hours_of_a_time_zone_are_kept_in_utc_and_say_so() -> None:
    hours = pd.date_range("2023-10-28", periods=72, freq="h", tz="Europe/Berlin")
    for column in (pd.Series(hours), pd.Series([h.isoformat() for h in hours])):
        table = read_long(pd.DataFrame({"t": column, "y": np.arange(72.0)}), time="t", target="y")
        assert table.frequency.name == "h" and "read as UTC" in table.notes[0]
        written = table.stamps.write(table.frequency.stamps(table.steps))
        assert [pd.Timestamp(w) for w in written] == list(hours)


def test_an_hour_that_stands_twice_in_autumn_is_explained() -> None:
    hours = pd.date_range("2023-10-28", periods=72, freq="h", tz="Europe/Berlin").tz_localize(None)
    with pytest.raises(DataError, match="stand twice") as error:
        read_long(pd.DataFrame({"t": hours, "y": np.arange(72.0)}), time="t", target="y")
    assert "clocks are set back" in str(error.value.hint)


def test_whole_numbers_of_year_and_month_are_months() -> None:
    months = [y * 100 + m for y in (2018, 2019, 2020) for m in range(1, 13)]
    table = read_long(pd.DataFrame({"t": months, "y": np.arange(1.0, 37.0)}), time="t", target="y")
    assert table.frequency.name == "MS" and len(table.findings) == 0
    assert table.stamps.write(table.frequency.stamps(table.steps[-1:])) == ["202012"]


def test_a_time_over_two_columns_is_seen() -> None:
    frame = pd.DataFrame({"year": [1959, 1959, 1960], "quarter": [1, 2, 1], "gdp": [1.0, 2.0, 3.0]})
    assert find_split_time(frame, infer_kinds(frame)) == ("year", "quarter")
    once = frame.drop_duplicates("year")
    assert find_split_time(once, infer_kinds(once)) is None
    dated = frame.assign(date=["1959-01-01", "1959-04-01", "1960-01-01"])
    assert find_split_time(dated, infer_kinds(dated)) is None
    with pytest.raises(DataError, match="'year' and 'quarter'"):
        Forecasting().check_planned(frame, {}, "gdp.csv")


def test_intermittent_demand_is_told_and_not_judged_by_absolute_errors(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    days = pd.date_range("2024-01-01", periods=90).strftime("%Y-%m-%d")
    frame = pd.concat(
        pd.DataFrame({"day": days, "sku": name, "units": rng.poisson(0.2, 90)}) for name in ("a", "b")
    )
    table = read_long(frame, time="day", target="units", series=["sku"])
    assert zero_share(table.ids, table.y) > 0.7
    assert "SW258" in {f.code for f in check_series(table)}
    negative = read_long(frame.assign(units=frame["units"] - 1), time="day", target="units", series=["sku"])
    assert "SW258" not in {f.code for f in check_series(negative)}
    frame.to_csv(tmp_path / "units.csv", index=False)
    folder = tmp_path / ".specweave" / "increments" / "0001-units"
    folder.mkdir(parents=True)
    roles = {"target": "units", "zero_share": zero_share(table.ids, table.y)}
    drafted = Forecasting.draft_spec("forecast units", None, roles)["problem"]
    assert "MASE" not in drafted["Success metrics"]
    (folder / "spec.md").write_text(INTERMITTENT.format(metric=drafted["Success metrics"]))
    plan = {c.key: c.value for c in Forecasting().draft_plan(load_spec(folder / "spec.md"), None)}
    assert plan["selection_metric"] == "rmse"
    boosted = next(c for c in plan["candidates"] if c["name"] == "lightgbm")
    assert boosted["params"] == {"objective": "l2"}


INTERMITTENT = """\
## ML Problem Definition
- Problem type: Forecasting
- Success metrics: {metric}
## Data Requirements
- Training data: units.csv
- Target: units
- Time column: day
- Series column: sku
- Horizon: 7
## Model Requirements
"""
