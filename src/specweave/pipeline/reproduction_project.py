"""A clean project for a repetition: the documents, scripts and data as recorded, none of the results.

Reads: the increment, the project's files, the data. Writes: a folder outside the project. Never: copies a
large file, or leaves its folder behind.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from specweave.errors import DataError, StateError, StorageError
from specweave.files.atomic import storage_errors, write_text
from specweave.files.documents import Document
from specweave.files.store import load_record, read_text, sha256_file
from specweave.files.yamlio import render_yaml
from specweave.increments.project import FOLDER, Increment, Project
from specweave.increments.spec import Spec, load_spec, set_status
from specweave.increments.tasks import load_tasks, set_tick
from specweave.pipeline.data_versions import LOCK, data_fields
from specweave.pipeline.lock import load_lock
from specweave.stages.workspace import DEFINITIONS
from specweave.tables.locating import find_data_file, find_pointer
from specweave.tables.sources.base import find_source
from specweave.tables.sources.snapshots import find_snapshot, take_snapshot

# What tasks write; a repetition starts without it.
_RESULTS = frozenset(
    "experiments reports models deploy notebooks data features COMPLETION-SUMMARY.md holdout-ledger.jsonl"  # noqa: SIM905
    " pipeline.lock.json __pycache__".split()
)
_SETTINGS = ("engine", "jobs")
_COPIED = 1_000_000
_MOST_FILES = 20_000
_COMMITS = 20


@dataclass(frozen=True)
class Input:
    """A data file of the increment.

    Attributes
    ----------
    key : str
        The field of the spec that names it.
    text : str
        As written there.
    file : Path
        Where its bytes lie; of an address, the snapshot.
    sha256 : str
    """

    key: str
    text: str
    file: Path
    sha256: str


def check_inputs(increment: Increment) -> list[Input]:
    """Return the increment's data files, each the one that was trained on.

    Raises
    ------
    DataError
        If one is missing, or holds other bytes than those recorded; says both hashes.
    """
    spec = load_spec(increment.spec_path)
    recorded = _recorded_hashes(increment)
    return [_check(increment, spec, key, recorded.get(key)) for key in data_fields(spec)]


def _recorded_hashes(increment: Increment) -> dict[str, str]:
    lock = increment.folder / LOCK
    found = {k: v for r in load_lock(increment.lock_path).tasks.values() for k, v in r.inputs.items()}
    if lock.exists():
        found["Training data"] = str(load_record(lock, "data-lock", 1)["sha256"])
    return found


def _check(increment: Increment, spec: Spec, key: str, recorded: str | None) -> Input:
    root, text = increment.project.root, str(spec.get(key)).strip("`")
    if find_source(text) is None:
        file = find_data_file(root, text, spec.at(key))
        sha = sha256_file(file)
    else:
        known = find_snapshot(root, text)
        # One that is the recorded table is used as it is: a followed source may have moved on since.
        if known is None or known.sha256 != recorded:
            known = take_snapshot(root, text, spec.at(key))
        file, sha = known.file, sha256_file(known.file)
    if recorded is not None and sha != recorded:
        raise DataError(
            f"{text} is not the data that was trained on: recorded sha256 {recorded}, present {sha}",
            where=f"{increment.id}/{LOCK if key == 'Training data' else 'pipeline.lock.json'}",
            hint=_how_to_get_back(increment, text, recorded),
        )
    return Input(key, text, file, sha)


def _how_to_get_back(increment: Increment, text: str, recorded: str) -> str:
    root = increment.project.root
    anew = f"or train anew on what is there: sw do {increment.number}"
    if find_source(text) is not None:
        return f"bring the source back to what it was, then run: sw data refresh {increment.number}; {anew}"
    if find_pointer(root, text) is not None:
        fixed = load_lock(increment.lock_path).fixed.get("commit")
        if not fixed:
            return f"check out the {text}.dvc of that time (git log -- {text}.dvc) and run: dvc pull {text}.dvc; {anew}"
        return f"run: git checkout {str(fixed)[:10]} -- {text}.dvc && dvc pull {text}.dvc; {anew}"
    commit = _commit_with(root, text, recorded)
    if commit is not None:
        return f"run: git checkout {commit} -- {text}; {anew}"
    return f"put the file back as it was; {anew}"


def _commit_with(root: Path, text: str, sha256: str) -> str | None:
    """Return the latest commit that holds a file with these bytes."""
    for commit in (git(root, "log", "--format=%h", "-n", str(_COMMITS), "--", text) or "").split():
        content = _git_bytes(root, "show", f"{commit}:./{text}")
        if content is not None and hashlib.sha256(content).hexdigest() == sha256:
            return commit
    return None


def git(root: Path, *arguments: str) -> str | None:
    """Return what git prints, or None where it fails, is not installed, or there is no repository."""
    answer = _git_bytes(root, *arguments)
    return None if answer is None else answer.decode("utf-8", errors="replace")


def _git_bytes(root: Path, *arguments: str) -> bytes | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False,
            env={**os.environ, "GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"},
        )  # fmt: skip
    except OSError:
        return None
    return done.stdout if done.returncode == 0 else None


# -- the folder ------------------------------------------------------------------------------------


@contextlib.contextmanager
def clean_project(
    increment: Increment, inputs: list[Input], *, into: Path | None = None, keep: bool = False
) -> Iterator[Increment]:
    """Yield the increment in a project of its own that holds no result; it is gone afterwards.

    Parameters
    ----------
    inputs : list of Input
        From :func:`check_inputs`.
    into : Path, optional
        An empty folder, or one to be made; below the system's temporary folder by default.
    keep : bool
        Leave the folder there.

    Raises
    ------
    StorageError
        If the folder cannot be made, is not empty, or lies inside the project.
    """
    source = increment.project.root.resolve()
    found_there = into is not None and into.expanduser().exists()
    base = _claim(into, source)
    try:
        target = Project(base / source.name if source.name else base / "project")
        with storage_errors(base):
            _bring_files(source, target.root)
            copied = _bring_increment(increment, target)
            _bring_data(copied, target.root, inputs)
        yield copied
    finally:
        if not keep:
            for path in list(base.iterdir()) if found_there else [base]:
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)


def _claim(into: Path | None, source: Path) -> Path:
    if into is None:
        return Path(tempfile.mkdtemp(prefix="sw-reproduce-"))
    base = into.expanduser().resolve()
    if base.is_relative_to(source):
        raise StorageError(
            "the clean folder would lie inside the project", where=into, hint="name a folder outside of it"
        )
    with storage_errors(base):
        base.mkdir(parents=True, exist_ok=True)
    if any(base.iterdir()):
        raise StorageError("the folder is not empty", where=into, hint="name an empty one, or one to be made")
    return base


def _bring_files(source: Path, target: Path) -> None:
    """Make the project's own files visible: small ones copied, others linked."""
    target.mkdir(parents=True)
    for path in project_files(source):
        _bring(path, target / path.relative_to(source))


def project_files(root: Path) -> list[Path]:
    """Return the files of a project that its scripts may read: what git knows or could know, else all but hidden
    folders and environments; nothing below ``.specweave``.

    Raises
    ------
    StateError
        If there are too many.
    """
    listed = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", ".")
    if listed is not None:
        paths = [root / name for name in listed.split("\0") if name]
        found = [p for p in paths if p.is_file() and p.relative_to(root).parts[0] != FOLDER]
    else:
        found = []
        for folder, inner, names in os.walk(root):
            here = Path(folder)
            inner[:] = [d for d in inner if _is_own(here / d)]
            found += [here / name for name in names if (here / name).is_file()]
            if len(found) > _MOST_FILES:
                break
    if len(found) > _MOST_FILES:
        raise StateError(
            f"the project holds more than {_MOST_FILES:,} files", where=root,
            hint="run git init and list in .gitignore what its scripts do not read",
        )  # fmt: skip
    return sorted(found)


def _is_own(folder: Path) -> bool:
    return (
        not folder.name.startswith(".")
        and folder.name not in ("__pycache__", "node_modules")
        and not (folder / "pyvenv.cfg").exists()
    )


def _bring(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.stat().st_size <= _COPIED:
        shutil.copyfile(path, target)
        shutil.copymode(path, target)
    else:
        target.symlink_to(path.resolve())


def _bring_increment(increment: Increment, target: Project) -> Increment:
    """Copy documents, scripts and feature definitions; link the other increments, which only are read."""
    target.increments_folder.mkdir(parents=True)
    settings = {k: v for k, v in increment.project.config().items() if k in _SETTINGS}
    write_text(target.home / "config.yaml", render_yaml(settings) if settings else "")
    for other in increment.project.increments():
        if other.id != increment.id:
            (target.increments_folder / other.id).symlink_to(other.folder.resolve(), target_is_directory=True)
    copied = Increment(target.increments_folder / increment.id)
    copied.folder.mkdir()
    for path in sorted(increment.folder.iterdir()):
        if path.name in _RESULTS or path.name.startswith("."):
            continue
        if path.is_dir():
            shutil.copytree(path, copied.folder / path.name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            _bring(path, copied.folder / path.name)
    if (increment.folder / DEFINITIONS).is_file():
        _bring(increment.folder / DEFINITIONS, copied.folder / DEFINITIONS)
    for task in load_tasks(copied.tasks_path):
        set_tick(copied.tasks_path, task.id, False)
    set_status(copied.spec_path, "active")
    return copied


def _bring_data(copied: Increment, root: Path, inputs: list[Input]) -> None:
    """Link each data file to where the spec names it; where that is no place in a project, name the file itself."""
    for one in inputs:
        place = Path(os.path.normpath(root / os.path.expanduser(one.text)))
        if find_source(one.text) is None and place.is_relative_to(root):
            if not place.exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                place.symlink_to(one.file.resolve())
            continue
        spec = load_spec(copied.spec_path)
        field = spec.require(one.key)
        document = Document(read_text(copied.spec_path), spec.where)
        line = document.lines[field.line - 1].rstrip("\r\n")
        head = line[: line.index(field.value)] if field.value in line else line[: line.index(":") + 1] + " "
        write_text(copied.spec_path, document.with_line(field.line, f"{head}{one.file.resolve()}").text)


def changed_inputs(increment: Increment, tasks: list[str]) -> list[str]:
    """Return, in words, which documents and scripts are not as they were when the tasks ran.

    By the fingerprints of ``pipeline.lock.json``, so that it can be told without git too.
    """
    from specweave.pipeline.runner import load_documents
    from specweave.pipeline.staleness import input_fingerprints

    documents = load_documents(increment)
    lock = load_lock(increment.lock_path)
    changed: dict[str, list[str]] = {}
    for task in documents.tasks:
        record = lock.tasks.get(task.id)
        if task.id not in tasks or record is None or record.status != "done":
            continue
        now = input_fingerprints(increment, documents.spec, documents.plan, task, documents.tasks, lock)
        for name, value in record.inputs.items():
            document = name.endswith((".md", ".yaml", ".py")) or name == "script"
            if document and now.get(name) != value:
                changed.setdefault(task.script if name == "script" else name, []).append(task.id)
    return [f"{name} is not as it was when {', '.join(ids)} ran" for name, ids in changed.items()]


def changed_code(increment: Increment, commit: str | None) -> list[str]:
    """Return, in words, how the project's own Python files differ from those of the recorded commit."""
    root = increment.project.root
    if commit is None:
        return []
    names = git(root, "diff", "--relative", "--name-only", "-z", commit, "--", "*.py")
    if names is None:
        return [f"commit {commit[:10]}, on which it ran, is not in this repository"]
    shown = [n for n in names.split("\0") if n and _concerns(n, increment)]
    more = f" and {len(shown) - 8} more" if len(shown) > 8 else ""
    return [f"changed since commit {commit[:10]}: {', '.join(shown[:8])}{more}"] if shown else []


def _concerns(name: str, increment: Increment) -> bool:
    parts = Path(name).parts
    return FOLDER not in parts or increment.id in parts
