"""What a run had done that its documents do not say: asked for where it is repeated, absent in every other run.

Reads: the file that ``$SPECWEAVE_RECORDED`` names. Writes: that file, for whoever starts the repetition.
Never: hands on a number that the repetition is to find by itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from specweave.experiments.watching import REPEATED
from specweave.files.store import load_record, save_record

KIND, SCHEMA = "recorded-run", 1


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """How a run went where time and machine had a say.

    While it is there, no budget and no deadline ends anything early.

    Attributes
    ----------
    left_out : dict of str to str
        Experiments that are not trained, by name, with the reason.
    threads : dict of str to int
        Threads that each fit of an experiment had.
    trials : dict of str to int
        How many trials a search made.
    points : dict of str to list of dict
        The parameters of those trials, where a search went on after a stop: its sampler cannot be repeated.
    params : dict of str to dict
        Parameters of tuned experiments that are fitted again without a search.
    scores : dict of str to float
        Scores of candidates that are not trained, where others are made of them.
    """

    left_out: dict[str, str] = {}
    threads: dict[str, int] = {}
    trials: dict[str, int] = {}
    points: dict[str, list[dict[str, Any]]] = {}
    params: dict[str, dict[str, Any]] = {}
    scores: dict[str, float] = {}


def find_recorded() -> Recorded | None:
    """Return what is to be repeated, or None in an ordinary run."""
    named = os.environ.get(REPEATED)
    if not named:
        return None
    return msgspec.convert(load_record(Path(named), KIND, SCHEMA), Recorded)


def save_recorded(path: Path, recorded: Recorded) -> Path:
    """Write what is to be repeated."""
    return save_record(path, KIND, SCHEMA, msgspec.to_builtins(recorded))


@contextlib.contextmanager
def hold_threads(threads: int | None) -> Iterator[None]:
    """Hold the numeric libraries to as many threads as the recorded fit had: sums of floats depend on it."""
    if threads is None:
        yield
        return
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits(threads):
        yield
