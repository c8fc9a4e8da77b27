"""Pictures reach the disk in one style, the same bytes every time, without pyplot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib
import pytest

from specweave.publish.drawing import PALETTE, save_figures
from specweave.records import Figure


def line(ax: Any) -> None:
    ax.plot([0, 1], [0, 1], color="C0")


def test_the_same_picture_gives_the_same_bytes(tmp_path: Path) -> None:
    figure = Figure(name="line", title="A line", alt="a rising line", draw=line)
    first = save_figures([figure], tmp_path / "a")[0]
    second = save_figures([figure], tmp_path / "b", prefix="x-")[0]
    assert (first.name, second.name) == ("line.png", "x-line.png")
    assert first.read_bytes() == second.read_bytes()
    assert first.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


def test_the_style_ends_with_the_drawing(tmp_path: Path) -> None:
    before = dict(matplotlib.rcParams)
    colours: list[str] = []
    save_figures(
        [Figure(name="a", title="", alt="", draw=lambda ax: colours.append(ax._get_lines.get_next_color()))],
        tmp_path,
    )
    assert colours == [PALETTE[0]]
    assert dict(matplotlib.rcParams) == before


def test_a_whole_figure_is_drawn_on_by_itself(tmp_path: Path) -> None:
    def two(figure: Any) -> None:
        for axes in figure.subplots(1, 2):
            line(axes)

    path = save_figures([Figure(name="two", title="Two", alt="two lines", draw=two, whole=True)], tmp_path)[0]
    assert path.stat().st_size > 1000


def test_a_picture_that_fails_leaves_no_file_behind(tmp_path: Path) -> None:
    def broken(ax: Any) -> None:
        raise ValueError("no data")

    with pytest.raises(ValueError, match="no data"):
        save_figures([Figure(name="broken", title="", alt="", draw=broken)], tmp_path)
    assert list(tmp_path.iterdir()) == []
