"""The files of an open run: where they are found, what they may be called, what is known of them.

Reads: files people point at. Writes: artifacts in the run's folder. Never: overwrites the record's own
files or what the run saved itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from specweave.errors import DataError, StorageError
from specweave.experiments import artifacts as files
from specweave.experiments.artifacts import Artifact
from specweave.experiments.names import file_name

# Roles: "file" was copied in and may be copied again; the others were made by the run.
COPIED, SAVED, MODEL, REPORT = "file", "artifact", "model", "report"


class Shelf:
    """Artifacts of one run; its owner holds the lock.

    Parameters
    ----------
    folder : Path
        The run's folder.
    known : mapping
        What an earlier attempt left.
    changed : callable
        Called after each change, to write the record.
    """

    def __init__(self, folder: Path, known: Mapping[str, Artifact], changed: Callable[[], None]) -> None:
        self.folder = folder
        self.artifacts: dict[str, Artifact] = dict(known)
        self._changed = changed

    def copy(self, path: Path, name: str | None) -> Path:
        """Copy a file or folder in, or take note of one that lies in the run's folder already."""
        source = self._find(path.expanduser())
        home = self.folder.absolute()
        if source.is_relative_to(home) and name is None:
            relative = source.relative_to(home).as_posix()
            known = self.artifacts.get(relative)
            return self.take_note(relative, known.role if known else SAVED)
        relative = file_name(name or source.name)
        known = self.artifacts.get(relative)
        if self._is_own(relative) or ((known is None or known.role != COPIED) and (home / relative).exists()):
            relative = f"artifacts/{relative}"
        files.copy_in(source, self.folder / relative)
        return self.take_note(relative, COPIED)

    def save(self, value: Any, name: str, role: str) -> Path:
        """Write an object in the way its name's ending says."""
        relative = self.own_name(name)
        files.save_object(self.folder / relative, value)
        return self.take_note(relative, role)

    def take_note(self, relative: str, role: str) -> Path:
        """Record size and hash of a file that lies in the folder now."""
        path = self.folder / relative
        described = files.describe(path, role)
        # Put last, so that the model saved last is the last of its role.
        self.artifacts.pop(relative, None)
        self.artifacts[relative] = described
        self._changed()
        return path

    def last_of(self, role: str) -> str | None:
        """Return the artifact of that role which was saved last."""
        return next((name for name, a in reversed(self.artifacts.items()) if a.role == role), None)

    def own_name(self, name: str) -> str:
        """Return `name` as a path inside the folder that is not one of the record's own files.

        Raises
        ------
        DataError
            If it is one, or leaves the folder.
        """
        relative = file_name(name)
        if self._is_own(relative):
            raise DataError(
                f"'{relative}' is a file of the record itself",
                where=self.folder.name,
                hint="choose another name",
            )
        return relative

    def _is_own(self, relative: str) -> bool:
        return relative.partition("/")[0] in files.RESERVED

    def _find(self, path: Path) -> Path:
        if path.is_absolute():
            if path.exists():
                return path
            raise StorageError("no such file to log as an artifact", where=path, hint="write the file first")
        home = self.folder.absolute()
        places = [Path.cwd(), home]
        if len(home.parents) > 5 and home.parents[2].name == "increments":
            places += [home.parents[1], home.parents[4]]
        for place in places:
            if (place / path).exists():
                return place / path
        looked = ", ".join(dict.fromkeys(str(place) for place in places))
        raise StorageError(
            f"no file '{path}' to log as an artifact",
            where=self.folder.name,
            hint=f"write it first, or give its full path; looked in {looked}",
        )
