"""Questions to git about the project: its remotes, its files at another commit, what changed since.

Reads: the repository around the project. Writes: nothing. Never: checks anything out, fetches, or shows
the credentials that a remote's address may hold.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from specweave.errors import IntegrationError, StateError, UnknownNameError, did_you_mean

_SECONDS = 60


def git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it ends with an error.

    Raises
    ------
    StateError
        If git is not installed, or refuses to look at the folder.
    """
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True, timeout=_SECONDS, env=environment, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise StateError("git is not installed", hint="install git, or leave out --base") from error
    except subprocess.TimeoutExpired as error:
        raise IntegrationError(
            f"git {arguments[0]} did not end within {_SECONDS} s",
            where=root,
            hint="run it by hand to see why",
        ) from error
    if done.returncode == 0:
        return done.stdout.decode("utf-8", errors="replace")
    told = done.stderr.decode("utf-8", errors="replace")
    if "dubious ownership" in told:
        raise StateError(
            "git refuses to look at a folder of another user", where=root,
            hint=f"run: git config --global --add safe.directory {root}",
        )  # fmt: skip
    return None


def inside_repository(root: Path) -> bool:
    """Return whether the project is under version control."""
    return git(root, "rev-parse", "--is-inside-work-tree") is not None


def prefix_of(root: Path) -> str:
    """Return the project's folder as seen from the top of its repository, ``""`` or ``sub/folder/``."""
    return (git(root, "rev-parse", "--show-prefix") or "").rstrip("\n")


def top_of(root: Path) -> Path:
    """Return the top folder of the repository, or `root` where there is none."""
    found = git(root, "rev-parse", "--show-toplevel")
    return Path(found.rstrip("\n")) if found else root


def find_remote(root: Path) -> tuple[str, str] | None:
    """Return (name, address) of the remote ``origin``, else of the only one; None where there is none.

    Raises
    ------
    StateError
        If there are several and none is called origin.
    """
    if not inside_repository(root):
        return None
    names = (git(root, "remote") or "").split()
    if not names:
        return None
    if "origin" not in names and len(names) > 1:
        raise StateError(
            f"several git remotes and none is called origin: {', '.join(names)}", where=root,
            hint="write in .specweave/config.yaml: 'github: {repository: owner/name}'",
        )  # fmt: skip
    name = "origin" if "origin" in names else names[0]
    address = git(root, "remote", "get-url", name)
    return (name, address.strip()) if address else None


def get_commit(root: Path, ref: str) -> str:
    """Return the full hash of the commit that `ref`, or ``origin/ref``, names.

    Raises
    ------
    StateError
        If the project is not under version control.
    UnknownNameError
        If there is no such commit here.
    """
    if not inside_repository(root):
        raise StateError(
            "the project is not in a git repository", where=root, hint="leave out --base, or run: git init"
        )
    for name in (ref, f"origin/{ref}"):
        found = git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}")
        if found:
            return found.strip()
    known = (
        git(root, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags")
        or ""
    )
    shallow = (git(root, "rev-parse", "--is-shallow-repository") or "").strip() == "true"
    hint = (
        "fetch the whole history: in actions/checkout set 'fetch-depth: 0'"
        if shallow
        else did_you_mean(ref, known.split())
    )
    raise UnknownNameError(f"git knows no commit '{ref}' here", where="--base", hint=hint)


def merge_base(root: Path, commit: str) -> str | None:
    """Return the commit from which `commit` and HEAD went apart, or None where none is known here."""
    found = git(root, "merge-base", commit, "HEAD")
    return found.strip() if found else None


def find_text(root: Path, commit: str, path: str) -> str | None:
    """Return the text of a file of the project at a commit, or None where it was not there."""
    return git(root, "show", f"{commit}:{prefix_of(root)}{path}")


def changed_paths(root: Path, commit: str) -> set[str]:
    """Return the files of the project that differ from a commit, those not yet added among them."""
    differing = git(root, "diff", "--name-only", "--relative", "-z", commit, "--") or ""
    untracked = git(root, "ls-files", "--others", "--exclude-standard", "-z") or ""
    return {path for path in (differing + "\0" + untracked).split("\0") if path}
