"""The packages that an experiment ran under: what differs here, and the same ones again in an environment of their own.

Reads: ``requirements.txt`` of experiments, installed packages. Writes: a virtual environment, made by uv.
Never: changes the environment that specweave runs in.
"""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from specweave.errors import IntegrationError, MissingExtraError, StateError
from specweave.experiments.processes import host_name
from specweave.experiments.provenance import python_version, requirements_text
from specweave.experiments.record import ExperimentRecord
from specweave.files.atomic import write_text

Tell = Callable[[dict[str, Any]], None]


def present_packages() -> dict[str, str]:
    """Return the packages that are installed here as name -> version."""
    return _parse(requirements_text())


def compare_environment(record: ExperimentRecord, packages: Mapping[str, str], python: str) -> dict[str, Any]:
    """Return how an environment differs from the one that an experiment was recorded in.

    Returns
    -------
    dict
        ``same`` (Python and every package); ``python`` and ``packages`` with ``recorded`` and ``now`` of those that
        differ (None where one is not installed); ``machine``: ``same`` or ``other``, by the host's name;
        ``known``: False where no package was recorded.
    """
    recorded = record.load_requirements()
    names = sorted({*recorded, *packages}) if recorded else []
    differing = {
        n: {"recorded": recorded.get(n), "now": packages.get(n)}
        for n in names
        if recorded.get(n) != packages.get(n)
    }
    return {
        "same": bool(recorded) and not differing and record.python == python,
        "known": bool(recorded),
        "python": {"recorded": record.python or None, "now": python},
        "packages": differing,
        "machine": "same" if record.host == host_name() else "other",
    }


def here(record: ExperimentRecord) -> dict[str, Any]:
    """Return how this very environment differs from the recorded one."""
    return compare_environment(record, present_packages(), python_version())


def describe_environment(environment: Mapping[str, Any]) -> list[str]:
    """Return in words what differs; empty where nothing does."""
    if not environment["known"]:
        return ["the packages that it ran under were not recorded"]
    lines = []
    python = environment["python"]
    if python["recorded"] != python["now"]:
        lines.append(f"Python was {python['recorded']}, here it is {python['now']}")
    differing = environment["packages"]
    if differing:
        shown = [f"{n} {v['recorded'] or 'absent'} -> {v['now'] or 'absent'}" for n, v in differing.items()]
        more = f" and {len(shown) - 6} more" if len(shown) > 6 else ""
        lines.append(f"{len(shown)} packages differ from those recorded: {', '.join(shown[:6])}{more}")
    if environment["machine"] == "other":
        lines.append("it was recorded on another machine; last digits may depend on the processor")
    return lines


# -- the recorded environment, rebuilt -------------------------------------------------------------


def find_uv(python: str = sys.executable, path: str | None = None) -> str:
    """Return the program ``uv``: beside this Python, or on PATH.

    Parameters
    ----------
    python : str
        The interpreter beside which it is looked for first.
    path : str, optional
        What to search in the place of ``$PATH``.

    Raises
    ------
    MissingExtraError
        With the command that installs it.
    """
    beside = Path(python).with_name("uv")
    found = str(beside) if beside.is_file() else shutil.which("uv", path=path)
    if found is None:
        raise MissingExtraError("rebuilding the recorded environment needs uv", hint="run: pip install uv")
    return found


def requirement_lines(packages: Mapping[str, str], origins: Mapping[str, str]) -> list[str]:
    """Return the lines of a requirements file; a package that was installed from a place comes from there again.

    Parameters
    ----------
    packages : mapping of str to str
        Recorded name -> version.
    origins : mapping of str to str
        ``name==version`` -> where to get it, from :func:`origins_here`.
    """
    lines = []
    for name, version in sorted(packages.items()):
        exact = f"{name}=={version}"
        lines.append(origins.get(exact, exact))
    return lines


def origins_here() -> dict[str, str]:
    """Return where the packages came from that no index gave: a folder, a file, a repository."""
    found: dict[str, str] = {}
    for installed in metadata.distributions():
        text = installed.read_text("direct_url.json")
        if not text:
            continue
        name = str(installed.metadata["Name"])
        exact = next(iter(f"{n}=={v}" for n, v in _parse(f"{name}=={installed.version}").items()))
        line = origin_line(name, json.loads(text))
        if line:
            found[exact] = line
    return found


def origin_line(name: str, direct: Mapping[str, Any]) -> str | None:
    """Return the requirement for what ``direct_url.json`` says (PEP 610), or None where the place is gone.

    Examples
    --------
    >>> origin_line("mine", {"url": "https://x.org/mine.git", "vcs_info": {"vcs": "git", "commit_id": "ab12"}})
    'mine @ git+https://x.org/mine.git@ab12'
    """
    url = str(direct.get("url", ""))
    version_control = direct.get("vcs_info")
    if version_control:
        return f"{name} @ {version_control['vcs']}+{url}@{version_control['commit_id']}"
    if not url.startswith("file:"):
        return f"{name} @ {url}"
    path = Path(unquote(urlsplit(url).path))
    if not path.exists():
        return None
    return f"-e {path}" if (direct.get("dir_info") or {}).get("editable") else f"{name} @ {url}"


def build_commands(uv: str, folder: Path, python: str) -> list[list[str]]:
    """Return the commands that make an environment in `folder` and fill it from ``requirements.txt`` beside it.

    The list is whole, so nothing is resolved: ``--no-deps``.
    """
    version = sys.executable if python == platform.python_version() else python
    return [
        [uv, "venv", "--quiet", "--no-project", "--python", version, str(folder)],
        [uv, "pip", "install", "--quiet", "--no-deps", "--python", str(folder / "bin" / "python"),
         "--requirements", str(folder.with_name("requirements.txt"))],
    ]  # fmt: skip


def build_environment(record: ExperimentRecord, base: Path, tell: Tell = lambda event: None) -> str:
    """Make the environment that an experiment was recorded in; return its Python.

    Parameters
    ----------
    record : ExperimentRecord
    base : Path
        Folder in which ``environment/`` is made.

    Raises
    ------
    MissingExtraError
        If uv is not installed.
    StateError
        If no packages were recorded.
    IntegrationError
        If uv refuses; its own words are passed on.
    """
    uv = find_uv()
    packages = record.load_requirements()
    if not packages:
        raise StateError(
            "no packages were recorded", where=f"{record.id}/requirements.txt",
            hint="restore the file from git, or leave out --env",
        )  # fmt: skip
    folder = base / "environment"
    write_text(base / "requirements.txt", "\n".join(requirement_lines(packages, origins_here())) + "\n")
    message = f"building the recorded environment: Python {record.python}, {len(packages)} packages"
    tell({"event": "output", "task": "", "message": message})
    for command in build_commands(uv, folder, record.python or platform.python_version()):
        done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
        if done.returncode:
            said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
            raise IntegrationError(
                f"uv {command[1]} ended with {done.returncode}: {' '.join(said[:4]) or 'no word'}",
                where=f"{record.id}/requirements.txt",
                hint="name an index that has it: UV_EXTRA_INDEX_URL=..., or leave out --env and compare here",
            )
    return str(folder / "bin" / "python")


def _parse(text: str) -> dict[str, str]:
    import re

    pairs = (line.partition("==") for line in text.splitlines())
    return {re.sub(r"[-_.]+", "-", n).lower(): v for n, eq, v in pairs if eq}
