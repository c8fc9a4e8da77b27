"""Where things are: the project's folder, its increments, and the one that is meant.

Reads: ``.specweave/`` and its ``config.yaml``. Writes: new folders. Never: changes a document.
"""

from __future__ import annotations

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from specweave.errors import SpecError, StateError, UnknownNameError, did_you_mean
from specweave.files.atomic import claim_numbered, storage_errors, write_text
from specweave.increments.merging import set_driver, write_attributes

FOLDER = ".specweave"
_ID = re.compile(r"^(\d{1,6})(?:-(.+))?$")
_INCREMENT = re.compile(r"^(\d{4,6})-")
# What a request is about is rarely in these words; the slug is better without them.
_STOP = frozenset(
    "a an and are build can create for from i in is it let's make me my of on our please predict predicting"  # noqa: SIM905
    " that the their to train us using want we which who will with would next".split()
)

CONFIG_TEXT = """\
# Settings of this project; every line is optional.
# tracking: mlflow          # mirror experiments to mlflow, wandb or tensorboard
# engine: local             # or ray
# jobs: 2                   # parallel workers; all cores by default
"""


@dataclass(frozen=True)
class Increment:
    """One numbered folder under ``.specweave/increments/``."""

    folder: Path

    @property
    def id(self) -> str:
        """The folder's name, for example ``0042-recommendation-model``."""
        return self.folder.name

    @property
    def number(self) -> str:
        """The number as written, for example ``0042``."""
        return self.folder.name.partition("-")[0]

    @property
    def project(self) -> Project:
        """The project this increment belongs to."""
        return Project(self.folder.parent.parent.parent)

    @property
    def spec_path(self) -> Path:
        """``spec.md``."""
        return self.folder / "spec.md"

    @property
    def plan_path(self) -> Path:
        """``plan.md``."""
        return self.folder / "plan.md"

    @property
    def tasks_path(self) -> Path:
        """``tasks.md``."""
        return self.folder / "tasks.md"

    @property
    def tests_path(self) -> Path:
        """``tests.md``."""
        return self.folder / "tests.md"

    @property
    def experiments(self) -> Path:
        """The folder of experiments."""
        return self.folder / "experiments"

    @property
    def lock_path(self) -> Path:
        """``pipeline.lock.json``."""
        return self.folder / "pipeline.lock.json"


@dataclass(frozen=True)
class Project:
    """A folder that holds ``.specweave/``."""

    root: Path

    @property
    def home(self) -> Path:
        """The ``.specweave`` folder."""
        return self.root / FOLDER

    @property
    def increments_folder(self) -> Path:
        """The folder of all increments."""
        return self.home / "increments"

    @property
    def cache(self) -> Path:
        """Disposable files; never under version control."""
        return self.home / "cache"

    def increments(self) -> list[Increment]:
        """Return all increments in order of number."""
        if not self.increments_folder.is_dir():
            return []
        folders = sorted(
            f for f in self.increments_folder.iterdir() if f.is_dir() and _INCREMENT.match(f.name)
        )
        return [Increment(f) for f in folders]

    def config(self) -> dict[str, Any]:
        """Return the settings of ``config.yaml``; empty where there is none.

        Raises
        ------
        SpecError
            If it is not a YAML mapping.
        """
        path = self.home / "config.yaml"
        if not path.exists():
            return {}
        from specweave.files.yamlio import load_yaml

        settings = load_yaml(path) or {}
        if not isinstance(settings, dict):
            raise SpecError("the settings are not a mapping", where=path, hint="write lines of 'key: value'")
        return settings

    def relative(self, path: Path) -> str:
        """Return `path` as written in documents: from the project's root, with forward slashes."""
        try:
            return path.resolve().relative_to(self.root.resolve()).as_posix()
        except ValueError:
            return path.as_posix()

    def get_increment(self, name: str | None = None) -> Increment:
        """Return the increment that `name` means, or the active one.

        Parameters
        ----------
        name : str, optional
            ``42``, ``0042``, ``0042-recommendation-model`` or a unique part of the slug. Without it:
            ``$SPECWEAVE_INCREMENT``, else the increment whose status is active, else the latest
            that is not done.

        Raises
        ------
        UnknownNameError
            If none or several match.
        StateError
            If there is no increment at all.
        """
        known = self.increments()
        if not known:
            raise StateError(
                "no increment yet", where=self.increments_folder, hint='run: sw inc "what to predict"'
            )
        name = name or os.environ.get("SPECWEAVE_INCREMENT")
        if name is None:
            return self._active(known)
        exact = [i for i in known if i.id == name]
        if exact:
            return exact[0]
        if name.isdecimal():
            matches = [i for i in known if int(i.number) == int(name)]
        else:
            matches = [i for i in known if name.casefold() in i.id.casefold()]
        if len(matches) == 1:
            return matches[0]
        if matches:
            listed = ", ".join(i.id for i in matches)
            fix = "give the whole id"
            if len({i.number for i in matches}) < len(matches):
                fix += ", or run: sw doctor --fix"
            raise UnknownNameError(f"'{name}' means several increments: {listed}", hint=fix)
        raise UnknownNameError(
            f"no increment is called '{name}'", hint=did_you_mean(name, [i.id for i in known])
        )

    def _active(self, known: list[Increment]) -> Increment:
        from specweave.increments.spec import read_status

        statuses = [(i, read_status(i.spec_path)) for i in known]
        active = [i for i, s in statuses if s == "active"]
        open_ones = [i for i, s in statuses if s in ("active", "planned")]
        return (active or open_ones or known)[-1]

    def new_increment(self, request: str) -> Increment:
        """Claim the next number and make its folder.

        Parameters
        ----------
        request : str
            The user's words; or an explicit id such as ``0042-recommendation-model``.

        Raises
        ------
        StateError
            If the explicit number is taken.
        """
        self.init()
        explicit = _ID.match(request.strip())
        if explicit and explicit[2] and " " not in request.strip():
            return self._explicit(explicit)
        slug = make_slug(request)
        _, folder = claim_numbered(self.increments_folder, 4, lambda n: f"{n:04d}-{slug}", _INCREMENT)
        return Increment(folder)

    def _explicit(self, match: re.Match[str]) -> Increment:
        number, slug = int(match[1]), make_slug(match[2], drop=frozenset())
        if any(int(i.number) == number for i in self.increments()):
            raise self._taken(number)
        given, folder = claim_numbered(
            self.increments_folder, 4, lambda n: f"{n:04d}-{slug}", _INCREMENT, wanted=number
        )
        if given != number:  # another process was quicker
            folder.rmdir()
            raise self._taken(number)
        return Increment(folder)

    def _taken(self, number: int) -> StateError:
        holder = next(i for i in self.increments() if int(i.number) == number)
        return StateError(
            f"number {number:04d} is taken by {holder.id}",
            where=self.relative(holder.folder),
            hint=f"continue it with: sw do {number:04d}, or leave out the number to get the next free one",
        )

    def init(self) -> bool:
        """Make ``.specweave/`` here; return whether anything was new."""
        fresh = not self.home.exists()
        with storage_errors(self.home):
            self.increments_folder.mkdir(parents=True, exist_ok=True)
        if not (self.home / "config.yaml").exists():
            write_text(self.home / "config.yaml", CONFIG_TEXT)
        if not (self.home / ".gitignore").exists():
            write_text(self.home / ".gitignore", "cache/\n.claims/\n")
        if write_attributes(self.home) or fresh:
            set_driver(self.root)
        return fresh


def make_slug(text: str, *, drop: frozenset[str] = _STOP, limit: int = 5) -> str:
    """Return a short, lower-case, dash-joined name for a request.

    Examples
    --------
    >>> make_slug("build a fraud detection model for transactions")
    'fraud-detection-model'
    """
    if (
        drop
        and len(head := re.split(r"\b(?:for|from|with|using)\b", text, maxsplit=1, flags=re.I)[0].split()) > 2
    ):
        text = " ".join(head)
    ascii_text = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", ascii_text.casefold().replace("'", ""))
    kept = [w for w in words if w not in drop] if drop else words
    return "-".join((kept or words)[: limit if drop else None])[:60].strip("-") or "increment"


def find_project(start: Path | None = None) -> Project | None:
    """Return the project at or above `start` (default: ``$SPECWEAVE_PROJECT``, else here), or None."""
    if start is None:
        named = os.environ.get("SPECWEAVE_PROJECT")
        if named:
            return Project(Path(named))
    here = (start or Path.cwd()).resolve()
    for folder in (here, *here.parents):
        if (folder / FOLDER).is_dir():
            return Project(folder)
    return None


def get_project(start: Path | None = None) -> Project:
    """Return the project at or above `start`.

    Raises
    ------
    StateError
        If there is none.
    """
    project = find_project(start)
    if project is None or not project.home.is_dir():
        raise StateError("no specweave project here", where=start or Path.cwd(), hint="run: sw init")
    return project


def find_increment(name: str | None = None) -> Increment:
    """Return the increment meant by `name`, or the active one, of the project we are in.

    Raises
    ------
    StateError, UnknownNameError
        As :meth:`Project.get_increment`.
    """
    return get_project().get_increment(name)
