"""The workflow that judges pull requests and keeps issues up to date.

Reads: ``.github/workflows/specweave.yml``. Writes: that file, between our marks. Never: touches a workflow
that a person wrote, or asks for more rights than a job needs.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

from specweave.errors import StateError
from specweave.files.atomic import write_text
from specweave.files.store import read_text
from specweave.integrations.git import prefix_of, top_of

FILE = ".github/workflows/specweave.yml"
_BEGIN = "# specweave:begin workflow (rewritten by sw agent install github-actions)"
_END = "# specweave:end workflow (jobs of your own go below)"
MARKED = re.compile(r"^# specweave:begin workflow.*?^# specweave:end workflow[^\n]*\n?", re.M | re.S)

_TEXT = """\
{begin}
name: specweave

on:
  pull_request:
  push:
    branches: [main, master]

permissions:
  contents: read

concurrency:
  group: specweave-${{{{ github.workflow }}}}-${{{{ github.ref }}}}
  cancel-in-progress: ${{{{ github.event_name == 'pull_request' }}}}

defaults:
  run:
    shell: bash
{directory}
jobs:
  gates:
    name: Criteria and gates
    if: github.event_name == 'pull_request'
    runs-on: ubuntu-latest
    timeout-minutes: 30
    permissions:
      contents: read
      pull-requests: write
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
          lfs: true
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install 'specweave-ml[{extras}]'
{pull}      - name: Judge by the records; nothing is run
        run: sw ci --base "origin/$GITHUB_BASE_REF" --junit specweave-junit.xml --comment specweave-comment.md
      - name: Tell it below the pull request
        # A fork's token may only read.
        if: always() && github.event.pull_request.head.repo.full_name == github.repository
        env:
          GH_TOKEN: ${{{{ github.token }}}}
          NUMBER: ${{{{ github.event.pull_request.number }}}}
        run: if [ -f specweave-comment.md ]; then sw github comment specweave-comment.md --pull-request "$NUMBER"; fi
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: specweave-junit
          path: "{prefix}specweave-junit.xml"
          if-no-files-found: ignore

  issues:
    name: Issues of increments
    if: github.event_name == 'push'
    runs-on: ubuntu-latest
    timeout-minutes: 15
    permissions:
      contents: read
      issues: write
    steps:
      - uses: actions/checkout@v4
        with:
          lfs: true
          persist-credentials: false
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - run: pip install 'specweave-ml[{extras}]'
{pull}      - name: Bring the issues up to date
        env:
          GH_TOKEN: ${{{{ github.token }}}}
        run: sw github sync --all
{end}
"""
_PULL = """\
      - name: Fetch the data that DVC tracks
        # Without it (a fork has no credentials) what was recorded is judged.
        continue-on-error: true
        run: dvc pull
"""
_SKIPPED = (".dvc", ".git", ".venv", "venv", "node_modules", "site-packages", ".specweave")


def render_workflow(folder: str = "", *, dvc: bool = False) -> str:
    """Return the text of the workflow.

    Parameters
    ----------
    folder : str
        The project's folder below the top of its repository, ``""`` where it is the top.
    dvc : bool
        Whether data is tracked by DVC and must be fetched first.
    """
    folder = folder.strip("/")
    # JSON's quoting is YAML's: a folder may hold any character.
    directory = f"    working-directory: {json.dumps(folder)}\n" if folder else ""
    prefix = json.dumps(f"{folder}/")[1:-1] if folder else ""
    return _TEXT.format(
        begin=_BEGIN, end=_END, directory=directory, prefix=prefix,
        extras="github,dvc" if dvc else "github", pull=_PULL if dvc else "",
    )  # fmt: skip


def tracks_with_dvc(root: Path) -> bool:
    """Return whether a file of the project stands under DVC: a ``NAME.dvc`` beside it."""
    for _, folders, files in os.walk(root):
        if any(name.endswith(".dvc") and name != ".dvc" for name in files):
            return True
        folders[:] = [name for name in folders if name not in _SKIPPED]
    return False


def install_workflow(root: Path) -> list[Path]:
    """Write the workflow into the repository around `root`; return the files that changed.

    Raises
    ------
    StateError
        If a workflow of that name is there and is not ours.
    """
    path = top_of(root) / FILE
    fresh = render_workflow(prefix_of(root), dvc=tracks_with_dvc(root))
    if not path.exists():
        return [write_text(path, fresh)]
    text = read_text(path)
    plain = text.replace("\r\n", "\n")
    if len(MARKED.findall(plain)) != 1:
        raise StateError(
            "a workflow of this name is there and does not carry our two marks", where=path,
            hint=f"rename it, or delete it and run the command again: git rm {FILE}",
        )  # fmt: skip
    changed = MARKED.sub(lambda _: fresh, plain)
    if changed == plain:
        return []
    return [write_text(path, changed.replace("\n", "\r\n") if "\r\n" in text else changed)]
