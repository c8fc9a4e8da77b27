"""Pictures of classifiers draw on any outcome they may meet, and say what they show."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from specweave.problems.classification_pictures import classification_figures
from specweave.records import Figure


def axes_of(figure: Figure) -> Any:
    axes = Canvas().add_subplot()
    figure.draw(axes)
    return axes


def binary(n: int = 200) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    truth = rng.random(n) < 0.3
    p = np.clip(0.3 * truth + 0.7 * rng.random(n), 0, 1)
    return pd.DataFrame({"truth": np.where(truth, "Yes", "No"), "p:No": 1 - p, "p:Yes": p})


def labels_in(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [t.get_text() for t in legend.get_texts()]


def test_a_binary_classifier_has_six_pictures_with_axes_named() -> None:
    figures = classification_figures(binary(), {"positive": "Yes", "threshold": 0.4})
    assert [f.name for f in figures] == [
        "roc", "precision-recall", "calibration", "confusion", "threshold", "scores",
    ]  # fmt: skip
    for figure in figures:
        axes = axes_of(figure)
        assert axes.get_xlabel(), figure.name
        assert figure.alt and figure.title


def test_the_chosen_threshold_is_marked_where_it_lies() -> None:
    frame = binary()
    figures = {f.name: f for f in classification_figures(frame, {"positive": "Yes", "threshold": 0.4})}
    axes = axes_of(figures["roc"])
    dot = next(line for line in axes.lines if line.get_marker() == "o")
    called, positive = frame["p:Yes"] >= 0.4, frame["truth"] == "Yes"
    assert dot.get_xdata()[0] == pytest.approx(called[~positive].mean())
    assert dot.get_ydata()[0] == pytest.approx(called[positive].mean())
    assert "threshold 0.40" in labels_in(axes)


def test_the_area_in_the_legend_is_the_roc_auc() -> None:
    from sklearn.metrics import roc_auc_score

    frame = binary()
    figures = {f.name: f for f in classification_figures(frame, {"positive": "Yes"})}
    area = roc_auc_score(frame["truth"] == "Yes", frame["p:Yes"])
    assert f"area {area:.3f}" in labels_in(axes_of(figures["roc"]))


def test_several_classes_get_one_curve_each_and_no_threshold() -> None:
    rng = np.random.default_rng(1)
    proba = rng.dirichlet([1, 1, 1], 90)
    frame = pd.DataFrame(proba, columns=["p:a", "p:b", "p:c"]).assign(truth=rng.choice(list("abc"), 90))
    figures = classification_figures(frame, {"positive": None})
    assert [f.name for f in figures] == ["roc", "precision-recall", "calibration", "confusion"]
    assert len(axes_of(figures[0]).lines) == 4  # chance and three classes
    assert len(axes_of(figures[3]).texts) == 9


def test_many_classes_stay_readable() -> None:
    labels = [f"class number {i:02d} with a long name" for i in range(20)]
    rng = np.random.default_rng(2)
    frame = pd.DataFrame(rng.dirichlet(np.ones(20), 400), columns=[f"p:{x}" for x in labels])
    frame["truth"] = rng.choice(labels, 400)
    figures = {f.name: f for f in classification_figures(frame, {})}
    assert len(axes_of(figures["roc"]).lines) == 8  # chance and the seven most common
    assert not axes_of(figures["confusion"]).texts
    assert figures["confusion"].height <= 9


def test_rows_of_one_class_leave_the_curves_out() -> None:
    frame = binary().assign(truth="No")
    figures = classification_figures(frame, {"positive": "Yes"})
    assert [f.name for f in figures] == ["calibration", "confusion"]
    for figure in figures:
        axes_of(figure)
