"""How git merges a project: documents line by line, ledgers by keeping both, derived files not at all.

Reads: the repository's settings. Writes: ``.specweave/.gitattributes`` and the merge driver of this clone.
Never: runs a merge.

Files that ``sw`` makes from others (reports, notebooks, locks, living documents) would conflict in every merge
and be wrong whichever side won. The driver keeps ours, and the next ``sw do``, ``sw validate`` or
``sw sync-docs`` makes them again.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from specweave.files.atomic import write_text

DRIVER = "specweave"
ATTRIBUTES = f"""\
# Made from other files: kept as they are in a merge and made again by sw.
increments/*/pipeline.lock.json merge={DRIVER}
increments/*/COMPLETION-SUMMARY.md merge={DRIVER}
increments/*/data/** merge={DRIVER}
increments/*/features/** merge={DRIVER}
increments/*/experiments/** merge={DRIVER}
increments/*/models/** merge={DRIVER}
increments/*/reports/** merge={DRIVER}
increments/*/notebooks/** merge={DRIVER}
increments/*/deploy/** merge={DRIVER}
increments/*/github.json merge={DRIVER}
docs/internal/** merge={DRIVER}
# Edited by people: merged line by line.
increments/*/features/feature_definitions.yaml !merge
# Lines of both sides are kept.
increments/*/holdout-ledger.jsonl merge=union
increments/*/experiments/*/history.jsonl merge=union
increments/*/experiments/*/notes.md merge=union
"""


def write_attributes(home: Path) -> bool:
    """Write ``.gitattributes`` into ``.specweave`` where there is none; return whether it was written."""
    path = home / ".gitattributes"
    if path.exists():
        return False
    write_text(path, ATTRIBUTES)
    return True


def driver_is_set(root: Path) -> bool | None:
    """Return whether this clone knows the driver; None where it is no git repository."""
    if shutil.which("git") is None or _git(root, "rev-parse", "--git-dir") is None:
        return None
    return bool(_git(root, "config", "--get", f"merge.{DRIVER}.driver"))


def set_driver(root: Path) -> bool:
    """Tell this clone how derived files are merged; return whether anything was set.

    ``true`` ends well and changes nothing, so that git takes the file as it is on our side.
    """
    if driver_is_set(root) is not False:
        return False
    _git(root, "config", f"merge.{DRIVER}.name", "keep ours; sw makes the file again")
    return _git(root, "config", f"merge.{DRIVER}.driver", "true") is not None


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    return done.stdout.strip() if done.returncode == 0 else None
