"""Who follows the runs of an increment without being asked: what the table ``watchers`` finds for it.

Reads: the registry. Writes: nothing. Never: lets a watcher that cannot start stop a run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from specweave import registry

if TYPE_CHECKING:
    from specweave.experiments.run import RunWatcher

# Set where a recorded run is repeated (``specweave.stages.recorded``): nobody is to see its runs a second time.
REPEATED = "SPECWEAVE_RECORDED"


def find_watchers(folder: Path) -> Sequence[RunWatcher]:
    """Return the watchers that are set up for the experiments in `folder`.

    Each entry of the table is a function that takes the ``experiments/`` folder and returns watchers.
    While a recorded run is repeated there are none.
    """
    if os.environ.get(REPEATED):
        return []
    found: list[RunWatcher] = []
    for name in registry.names("watchers"):
        try:
            found.extend(registry.get("watchers", name)(folder))
        except Exception as error:  # foreign code and people's settings: neither may stop a training
            warnings.warn(f"{name} cannot follow this run: {error}", RuntimeWarning, stacklevel=4)
    return found
