"""Pictures of predicted amounts draw on any outcome they may meet."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure as Canvas

from specweave.problems.amount_pictures import regression_figures
from specweave.records import Figure


def axes_of(figure: Figure) -> Any:
    axes = Canvas().add_subplot()
    figure.draw(axes)
    return axes


def labels_in(axes: Any) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [t.get_text() for t in legend.get_texts()]


@pytest.mark.parametrize("decision", [{}, {"interval": {"level": 0.9, "half_width": 12.0}}])
def test_a_regressor_has_three_pictures_with_or_without_an_interval(decision: dict[str, Any]) -> None:
    rng = np.random.default_rng(3)
    truth = rng.gamma(2, 30, 500)
    frame = pd.DataFrame({"truth": truth, "prediction": truth + rng.normal(0, 8, 500)})
    figures = regression_figures(frame, decision)
    assert [f.name for f in figures] == ["predicted-actual", "residuals", "residual-distribution"]
    shown = [labels_in(axes_of(f)) for f in figures]
    assert any("90% interval" in text for text in shown[0]) == bool(decision)


def test_a_constant_or_tiny_prediction_can_be_drawn() -> None:
    frame = pd.DataFrame({"truth": [1.0, 2.0], "prediction": [1.5, 1.5]})
    for figure in regression_figures(frame, {}):
        axes_of(figure)
