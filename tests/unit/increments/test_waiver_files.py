"""Waivers count only with a reason, an owner and a day."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from specweave.errors import SpecError
from specweave.increments.waivers import load_waivers, waiver_name

GOOD = "---\nreason: the bar is provisional\nowner: ada\nexpires: 2027-01-31\n---\nMore words.\n"


def write(folder: Path, text: str, name: str = "roc_auc") -> Path:
    (folder / "waivers").mkdir(exist_ok=True)
    (folder / "waivers" / f"{name}.md").write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        "- reason: the bar is provisional\n- Owner: ada\n- expires: 2027-01-31\n",
        GOOD.replace("2027-01-31", "'2027-01-31'"),
        GOOD.replace("2027-01-31", "2027-01-31T23:00:00"),
    ],
)
def test_a_waiver_holds_until_its_day_has_passed(tmp_path: Path, text: str) -> None:
    waiver = load_waivers(write(tmp_path, text))["roc_auc"]
    assert (waiver.reason, waiver.owner) == ("the bar is provisional", "ada")
    assert not waiver.expired(dt.date(2027, 1, 31))
    assert waiver.expired(dt.date(2027, 2, 1))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "lacks reason, owner, expires"),
        ("just words\n", "lacks reason, owner, expires"),
        ("---\njust words\n---\n", "lacks reason, owner, expires"),
        (GOOD.replace("owner: ada\n", ""), "lacks owner"),
        (GOOD.replace("owner: ada", "owner:"), "lacks owner"),
        (GOOD.replace("2027-01-31", "soon"), "'soon' is no date"),
        (GOOD.replace("2027-01-31", "2027-02-30"), "not valid YAML"),
        (GOOD.replace("reason: the", "reason: [the"), "not valid YAML"),
    ],
)
def test_half_a_waiver_is_an_error_that_names_the_file(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(SpecError, match=says) as caught:
        load_waivers(write(tmp_path, text))
    assert str(caught.value.where).startswith(f"{tmp_path.name}/waivers/roc_auc.md:")


def test_no_folder_is_no_waiver(tmp_path: Path) -> None:
    assert load_waivers(tmp_path) == {}


def test_the_file_name_follows_from_the_criterion() -> None:
    assert waiver_name("recall@precision=0.6") == "recall@precision=0.6"
    assert waiver_name("better than best baseline") == "better-than-best-baseline"
    assert waiver_name("recall where a/b == c d") == "recall-where-a-b-==-c-d"
