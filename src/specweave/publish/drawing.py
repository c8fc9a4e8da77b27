"""How every picture looks and how it reaches the disk.

Reads: nothing. Writes: PNG files. Never: keeps pyplot state, or puts a clock or a version into a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from specweave.files.atomic import replacing
from specweave.records import Figure

DPI = 120
# Okabe & Ito 2008: told apart by people with any colour vision.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")


@contextmanager
def drawing_style() -> Iterator[None]:
    """Hold the style of all pictures while drawing and saving."""
    import matplotlib
    from cycler import cycler

    style: dict[str, Any] = {
        "font.family": "DejaVu Sans",  # comes with matplotlib, so every machine draws the same
        "font.size": 9.5,
        "axes.prop_cycle": cycler(color=PALETTE),
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": "0.35",
        "axes.labelcolor": "0.15",
        "axes.titlesize": 11,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 8,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "0.9",
        "grid.linewidth": 0.8,
        "xtick.color": "0.35",
        "ytick.color": "0.35",
        "legend.frameon": True,
        "legend.framealpha": 0.85,
        "legend.edgecolor": "none",
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.8,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        "path.simplify": True,
        "svg.hashsalt": "specweave",
        "text.parse_math": False,  # a $ in a column's name is a $
    }
    with matplotlib.rc_context(style):
        yield


def draw_figure(figure: Figure) -> Any:
    """Return the matplotlib Figure of a picture; to be called and saved inside :func:`drawing_style`."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(figure.width, figure.height), layout="constrained")
    FigureCanvasAgg(canvas)
    if figure.whole:
        canvas.suptitle(figure.title, x=0.01, ha="left", fontsize=11, fontweight="bold")
        figure.draw(canvas)
    else:
        axes = canvas.add_subplot()
        axes.set_title(figure.title)
        figure.draw(axes)
    return canvas


def save_figures(figures: Sequence[Figure], folder: Path, *, prefix: str = "") -> list[Path]:
    """Draw pictures and write them as PNG.

    Parameters
    ----------
    figures : sequence of Figure
    folder : Path
        Made where it is missing.
    prefix : str
        Put before each figure's name.

    Returns
    -------
    list of Path
        ``<folder>/<prefix><name>.png``, in the order of `figures`; the same picture gives the same bytes.
    """
    paths = []
    with drawing_style():
        for figure in figures:
            path = folder / f"{prefix}{figure.name}.png"
            canvas = draw_figure(figure)
            with replacing(path) as temporary:
                canvas.savefig(temporary, dpi=DPI, metadata={"Software": None})
            paths.append(path)
    return paths
