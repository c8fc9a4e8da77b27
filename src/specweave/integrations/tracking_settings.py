"""Which trackers mirror an increment's runs: as set by code, environment or config, else as found.

Reads: the environment, ``.specweave/config.yaml``, the project's requirements. Writes: nothing. Never:
imports a tracker's library.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec

from specweave import registry
from specweave.errors import SpecError, UnknownNameError, did_you_mean
from specweave.increments.project import FOLDER, Increment

VARIABLE = "SPECWEAVE_TRACKING"
_OFF = ("none", "off", "false", "no", "")
# What shows that a team uses a tracker: environment variables, names in the project's folder.
_SIGNS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "mlflow": (("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"), ("mlruns", "mlflow.db")),
    "wandb": (("WANDB_PROJECT", "WANDB_API_KEY", "WANDB_MODE"), ("wandb",)),
}
_REQUIREMENTS = ("requirements*.txt", "pyproject.toml", "environment.yml", "environment.yaml", "Pipfile")


class Settings(msgspec.Struct, frozen=True):
    """One tracker for one increment.

    Attributes
    ----------
    name : str
        As in the table of trackers.
    increment : Path
        The increment's folder.
    options : dict
        What the tracker is told: ``uri``, ``experiment``, ``mode`` ...
    reason : str
        Why it is on, for people.
    """

    name: str
    increment: Path
    options: dict[str, Any] = {}
    reason: str = ""


def find_settings(increment: Increment) -> list[Settings]:
    """Return the trackers that mirror an increment's runs; empty where none is wanted.

    The first of these that says anything decides: ``$SPECWEAVE_TRACKING`` (which `configure_mlflow` and
    its like set), ``tracking`` in ``.specweave/config.yaml``, else what is found in the environment, the
    project's folder and its requirements.

    Raises
    ------
    SpecError, UnknownNameError
        If the settings cannot be read or name no tracker.
    """
    text = os.environ.get(VARIABLE)
    if text is not None:
        return _parse(_from_text(text), increment, f"${VARIABLE}")
    if _has_tracking_line(increment.project.home / "config.yaml"):
        return _parse(
            increment.project.config().get("tracking"), increment, f"tracking in {FOLDER}/config.yaml"
        )
    return [Settings(name, increment.folder, {}, reason) for name, reason in _found(increment.project.root)]


def make_settings(name: str, increment: Increment) -> Settings:
    """Return the settings of one tracker, on or not.

    Raises
    ------
    UnknownNameError
        If there is no such tracker.
    """
    for settings in find_settings(increment):
        if settings.name == name:
            return settings
    if name not in registry.names("trackers"):
        raise _unknown(name, "--tracker")
    return Settings(name, increment.folder, {}, "--tracker")


def _unknown(name: str, where: str) -> UnknownNameError:
    known = registry.names("trackers")
    return UnknownNameError(f"no tracker is called '{name}'", where=where, hint=did_you_mean(name, known))


def configure(name: str, options: Mapping[str, Any]) -> None:
    """Switch a tracker on for this process and those it starts."""
    current = _as_mapping(_from_text(os.environ.get(VARIABLE, "")), f"${VARIABLE}")
    os.environ[VARIABLE] = json.dumps({**current, name: dict(options)})


def _from_text(text: str) -> Any:
    if not text.lstrip().startswith("{"):
        return [part.strip() for part in text.split(",") if part.strip()]
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"not valid JSON: {error.msg}", where=f"${VARIABLE}", hint=f"write {VARIABLE}=mlflow"
        ) from error


def _parse(value: Any, increment: Increment, where: str) -> list[Settings]:
    return [
        Settings(name, increment.folder, options, where)
        for name, options in _as_mapping(value, where).items()
    ]


def _as_mapping(value: Any, where: str) -> dict[str, dict[str, Any]]:
    """Return ``mlflow``, ``[mlflow, wandb]`` or ``{mlflow: {uri: ...}}`` as name -> options."""
    if value is None or value is False or (isinstance(value, str) and value.casefold() in _OFF):
        return {}
    if isinstance(value, str):
        value = [value]
    if isinstance(value, list):
        value = {str(name): {} for name in value if str(name).casefold() not in _OFF}
    if not isinstance(value, dict):
        raise SpecError(
            f"cannot read the trackers in {value!r}",
            where=where,
            hint="write tracking: mlflow, or tracking: {mlflow: {uri: 'http://...'}}",
        )
    found: dict[str, dict[str, Any]] = {}
    for name, options in value.items():
        if name not in registry.names("trackers"):
            raise _unknown(str(name), where)
        if options is not None and not isinstance(options, dict):
            raise SpecError(
                f"the settings of {name} are no mapping", where=where, hint=f"write {name}: {{uri: ...}}"
            )
        found[str(name)] = dict(options or {})
    return found


def _has_tracking_line(path: Path) -> bool:
    # Reading YAML costs far more than opening a run does; most projects leave the line out.
    try:
        return re.search(rb"^[\"']?tracking[\"']?\s*:", path.read_bytes(), re.MULTILINE) is not None
    except OSError:
        return False


def _found(root: Path) -> Iterator[tuple[str, str]]:
    for name, (variables, entries) in _SIGNS.items():
        signs = [f"${v}" for v in variables if os.environ.get(v)]
        signs += [entry for entry in entries if (root / entry).exists()]
        if not signs:
            signs = [file for package, file in sorted(_required(root)) if package == name]
        # Found, not asked for: where its library is not installed there is nothing to say.
        if signs and find_spec(name) is not None:
            yield name, f"found {signs[0]}"


@cache
def _required(root: Path) -> set[tuple[str, str]]:
    """Return (tracker, file) for every file of requirements that names a tracker; read once a process."""
    found = set()
    for pattern in _REQUIREMENTS:
        for path in sorted(root.glob(pattern)):
            try:
                text = path.read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            for name in _SIGNS:
                if re.search(
                    rf"^[\s\-\"'\[]*{name}(?:-skinny)?(?![\w.-])", text, re.MULTILINE | re.IGNORECASE
                ):
                    found.add((name, path.name))
    return found
