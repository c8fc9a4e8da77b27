from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from specweave.tables.dates import (
    find_date_format,
    find_number_date,
    parse_dates,
    render_dates,
    to_instants,
)


@pytest.mark.parametrize(
    ("texts", "expected", "first"),
    [
        (["2010-02-05", "2011-12-31"], "%Y-%m-%d", "2010-02-05"),
        (["2010-2-5", "2011-12-31"], "%Y-%m-%d", "2010-02-05"),
        (["2010-02-05 10:30:00", "2011-12-31 00:00:00"], "%Y-%m-%d %H:%M:%S", "2010-02-05T10:30:00"),
        (["2010-02-05T10:30:00Z", "2011-12-31T00:00:00.5+02:00"], "ISO8601", "2010-02-05T10:30:00"),
        (["05-02-2010", "19-02-2010"], "%d-%m-%Y", "2010-02-05"),
        (["02/05/2010", "02/19/2010"], "%m/%d/%Y", "2010-02-05"),
        (["5.2.10", "19.2.10"], "%d.%m.%y", "2010-02-05"),
        (["5 Feb 2010", "19 Mar 2010"], "%d %b %Y", "2010-02-05"),
        (["February 5, 2010", "March 19, 2010"], "%B %d, %Y", "2010-02-05"),
        (["20100205", "20111231"], "%Y%m%d", "2010-02-05"),
        (["2010-02", "2011-12"], "%Y-%m", "2010-02-01"),
        (["02/05/2010 1:30 PM", "02/19/2010 2:00 AM"], "%m/%d/%Y %I:%M %p", "2010-02-05T13:30:00"),
    ],
)
def test_the_format_is_found_from_all_values(texts: list[str], expected: str, first: str) -> None:
    found = find_date_format(texts)
    assert found is not None and found.format == expected and found.note == ""
    assert parse_dates(texts, found.format)[0] == np.datetime64(first)


@pytest.mark.parametrize(
    ("text", "day_first"), [("05-02-2010", True), ("05.02.2010", True), ("05/02/2010", False)]
)
def test_an_ambiguous_order_is_chosen_by_the_separator_and_noted(text: str, day_first: bool) -> None:
    found = find_date_format([text, text.replace("05", "06")])
    assert found is not None
    assert found.note.startswith("ambiguous")
    assert found.format.startswith("%d" if day_first else "%m")


@pytest.mark.parametrize(
    "texts", [[], ["abc def 1"], ["20000 to 29000"], ["1-2-3"], ["99-99-2010"], ["2010-02-05", "no", "x"]]
)
def test_other_text_is_no_date(texts: list[str]) -> None:
    assert find_date_format(texts) is None


def test_a_value_that_does_not_fit_is_missing_and_iso_is_always_understood() -> None:
    instants = to_instants(pd.Series(["19-02-2010", "2010-02-20", "soon", None]), "%d-%m-%Y")
    assert instants[:2].tolist() == [np.datetime64(d, "us").item() for d in ("2010-02-19", "2010-02-20")]
    assert np.isnat(instants[2:]).all()


def test_whole_numbers_are_dates_only_where_they_can_be() -> None:
    days = pd.date_range("2020-01-01", periods=20).strftime("%Y%m%d").astype(float).to_numpy()
    assert find_number_date(days, named_as_time=False) is not None
    assert find_number_date(days + 50, named_as_time=False) is None
    seconds = np.asarray([874724710.0, 893286638.0])
    assert find_number_date(seconds, named_as_time=False) is None
    found = find_number_date(seconds, named_as_time=True)
    assert found is not None and found.format == "unix-s"
    assert to_instants(pd.Series([874724710, None]), "unix-s")[0] == np.datetime64("1997-09-20T03:05:10")
    found = find_number_date(seconds * 1000, named_as_time=True)
    assert found is not None and found.format == "unix-ms"


def test_zoned_dates_are_brought_to_utc() -> None:
    column = pd.Series(pd.to_datetime(["2020-01-01 02:00"]).tz_localize("Europe/Berlin"))
    assert to_instants(column)[0] == np.datetime64("2020-01-01T01:00")


@pytest.mark.parametrize(
    ("texts", "written", "first"),
    [
        (["2019Q1", "2019Q4"], "%YQ%q", "2019-01-01"),
        (["Q2 2020", "Q3 2021"], "Q%q %Y", "2020-04-01"),
        (["2019-q3"], "%Y-q%q", "2019-07-01"),
        (["02/2015", "12/2015"], "%m/%Y", "2015-02-01"),
        (["May 2015", "Sep 2016"], "%b %Y", "2015-05-01"),
        (["January 2015", "May 2015"], "%B %Y", "2015-01-01"),
        (["Jan-15", "Dec-16"], "%b-%y", "2015-01-01"),
        (["2023-W05", "2023-W52"], "%G-W%V", "2023-01-30"),
        (["2023-W05-3"], "%G-W%V-%u", "2023-02-01"),
    ],
)
def test_months_quarters_and_weeks_are_dates_and_are_written_as_they_were_read(
    texts: list[str], written: str, first: str
) -> None:
    found = find_date_format(texts)
    assert found is not None and found.format == written
    read = parse_dates(texts, found.format)
    assert str(read[0])[:10] == first
    assert render_dates(read, found.format) == texts
    assert str(parse_dates([texts[0], "none"], found.format)[1]) == "NaT"


def test_words_with_a_number_are_no_dates() -> None:
    assert all(find_date_format(t) is None for t in (["Item 2015"], ["abc-13"], ["item-2015"], ["9999Q9"]))
