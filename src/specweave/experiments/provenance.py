"""Where a run comes from: git state, packages, python, host.

Reads: .git, the tracked files' stat, installed package folders. Writes: nothing.
Never: fails because there is no git, asks git again while nothing changed.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from specweave.experiments.processes import host_name
from specweave.files.store import sha256_file

__all__ = ["GitState", "git_state", "host_name", "python_version", "requirements_text", "sha256_file"]

_LARGEST_PATCH = 5_000_000
# Past this many tracked files, looking at each one's stat costs more than it saves.
_STAT_LIMIT = 5000
_RECHECK_S = 5.0
# Inside .specweave only what people write counts as a change; the rest is output of the tool.
_WRITTEN = re.compile(r"(^|/)\.specweave/.*?([^/]+\.py|spec\.md|plan\.md|config\.yaml)$")


@dataclass(frozen=True)
class GitState:
    """What git knows of the code that runs.

    Attributes
    ----------
    commit : str or None
        Full hash of HEAD, None before the first commit.
    dirty : bool
        Whether tracked files differ from HEAD (outputs inside ``.specweave`` do not count, nor do
        files that were never added).
    patch : str
        ``git diff HEAD`` of those files, empty where clean.
    """

    commit: str | None
    dirty: bool
    patch: str

    def to_record(self) -> dict[str, str | bool | None]:
        """Return what experiment.json keeps."""
        return {"commit": self.commit, "dirty": self.dirty}


_lock = threading.Lock()
_cache: dict[Path, tuple[tuple[object, ...], GitState | None]] = {}
_tracked: dict[Path, tuple[object, list[str]]] = {}


def git_state(start: Path) -> GitState | None:
    """Return the git state of the repository around `start`, or None without one.

    The answer is kept per process until HEAD, the index or a tracked file changes.
    """
    root = _find_root(start)
    if root is None:
        return None
    with _lock:
        signature = _signature(root)
        known = _cache.get(root)
        if known is None or known[0] != signature:
            known = (signature, _ask_git(root))
            _cache[root] = known
        return known[1]


def _find_root(start: Path) -> Path | None:
    folder = start.absolute()
    for candidate in (folder, *folder.parents):
        if os.path.lexists(candidate / ".git"):
            return candidate
    return None


def _stat_of(path: str | Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size)


def _git_folder(root: Path) -> Path:
    dot = root / ".git"
    try:
        text = dot.read_text(encoding="utf-8") if dot.is_file() else ""
    except OSError:
        text = ""
    return root / text.partition("gitdir:")[2].strip() if text.startswith("gitdir:") else dot


def _signature(root: Path) -> tuple[object, ...]:
    git = _git_folder(root)
    index = _stat_of(git / "index")
    heads = tuple(_stat_of(git / name) for name in ("HEAD", "logs/HEAD", "packed-refs"))
    known = _tracked.get(root)
    if known is None or known[0] != index:
        known = (index, [p for p in (_git(root, "ls-files", "-z") or "").split("\0") if p and _counts(p)])
        _tracked[root] = known
    paths = known[1]
    if len(paths) > _STAT_LIMIT:
        return (index, heads, int(time.monotonic() / _RECHECK_S))
    base = str(root) + "/"
    return (index, heads, hash(tuple([_stat_of(base + path) for path in paths])))


def _counts(path: str) -> bool:
    return ".specweave/" not in path or _WRITTEN.search(path) is not None


def _ask_git(root: Path) -> GitState | None:
    commit = _git(root, "rev-parse", "--verify", "-q", "HEAD")
    if commit is None:
        inside = _git(root, "rev-parse", "--git-dir")
        return None if inside is None else GitState(None, True, "")
    names = _git(root, "diff", "--name-only", "-z", "HEAD") or ""
    changed = [name for name in names.split("\0") if name and _counts(name)]
    if not changed:
        return GitState(commit.strip(), False, "")
    patch = _git(root, "diff", "--binary", "HEAD", "--", *changed[:1000]) or ""
    if len(patch) > _LARGEST_PATCH:
        stat = _git(root, "diff", "--stat", "HEAD", "--", *changed[:1000]) or ""
        patch = f"# the patch is larger than {_LARGEST_PATCH} bytes; its summary:\n{stat}"
    return GitState(commit.strip(), True, patch)


def _git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails or is not installed."""
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            timeout=30,
            env=environment,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode("utf-8", errors="replace") if done.returncode == 0 else None


@lru_cache(maxsize=1)
def python_version() -> str:
    """Return the version of this Python, for example ``3.11.7``."""
    return platform.python_version()


def requirements_text() -> str:
    """Return ``name==version`` of every installed package, one a line, sorted.

    Read from the names of the ``*.dist-info`` folders on ``sys.path``: a few milliseconds, no import.
    """
    key = tuple((folder, _stat_of(folder)) for folder in sys.path if folder)
    return _requirements(key)


@lru_cache(maxsize=4)
def _requirements(folders: tuple[tuple[str, tuple[int, int] | None], ...]) -> str:
    found: dict[str, str] = {}
    for folder, stat in folders:
        if stat is None or not os.path.isdir(folder):
            continue
        for name in os.listdir(folder):
            if not name.endswith((".dist-info", ".egg-info")):
                continue
            package, _, version = name.rpartition(".")[0].partition("-")
            if version:
                # The first folder on sys.path wins, as it does for imports.
                found.setdefault(re.sub(r"[-_.]+", "-", package).lower(), version.partition("-py")[0])
    return "".join(f"{name}=={version}\n" for name, version in sorted(found.items()))
