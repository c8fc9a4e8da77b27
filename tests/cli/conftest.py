"""``sw`` as a person calls it: in this process where speed needs it, as a process where it matters."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from specweave.cli.main import main

ROWS = [
    f"k{i:04d},{20 + (i * 7) % 41},{'abc'[(i * 5) % 3]},{1000 + (i * 613) % 977},{'Yes' if (i * 11) % 7 < 3 else 'No'}"
    for i in range(70)
]
HEADER = "key,age,plan,income,churn"
GOOD = "\n".join([HEADER, *ROWS]) + "\n"


@dataclass(frozen=True)
class Result:
    """What one call of ``sw`` gave."""

    code: int
    out: str
    err: str


Sw = Callable[..., Result]


def call(*arguments: str, cwd: Path, env: dict[str, str] | None = None) -> Result:
    """Run ``sw`` in this process, as if it were started in `cwd`."""
    kept, here = dict(os.environ), Path.cwd()
    for name in [n for n in os.environ if n.startswith("SPECWEAVE_")]:
        del os.environ[name]
    os.environ.update(env or {})
    os.chdir(cwd)
    out, err = io.StringIO(), io.StringIO()
    try:
        with (
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
            pytest.raises(SystemExit) as end,
        ):
            main(list(arguments))
    finally:
        os.chdir(here)
        os.environ.clear()
        os.environ.update(kept)
    return Result(int(end.value.code or 0), out.getvalue(), err.getvalue())


def process(*arguments: str, cwd: Path, env: dict[str, str] | None = None, before: str = "") -> Result:
    """Run ``sw`` as a process; `before` is Python that runs in it first."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("SPECWEAVE_")} | (env or {})
    code = f"import sys\n{before}\nfrom specweave.cli.main import main\nmain(sys.argv[1:])"
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def sw() -> Sw:
    """Return the function that runs ``sw`` in this process."""
    return call


@pytest.fixture
def sw_process() -> Sw:
    """Return the function that runs ``sw`` as a process."""
    return process


@pytest.fixture(scope="session")
def _planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("cli") / "planned"
    root.mkdir()
    (root / "churn.csv").write_text(GOOD, encoding="utf-8")
    result = call("inc", "predict churn", "--data", "churn.csv", "--metric", "ROC AUC > 0.6", cwd=root)
    assert result.code == 0, result.err
    return root


@pytest.fixture
def planned(_planned: Path, tmp_path: Path) -> Path:
    """Return a project of one's own with one planned increment, ``0001-churn``."""
    root = tmp_path / "project"
    shutil.copytree(_planned, root)
    return root
