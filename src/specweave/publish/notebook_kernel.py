"""Executing a notebook in a kernel of the running interpreter.

Reads: nothing. Writes: nothing. Never: depends on installed kernelspecs or a person's Jupyter settings.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from specweave.errors import StageError

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_CELL_SECONDS = 600
_START_SECONDS = 120


def execute(
    notebook: Any,
    *,
    cwd: Path,
    name: str,
    environment: Mapping[str, str] | None = None,
    cell_seconds: int = _CELL_SECONDS,
) -> Any:
    """Execute every cell of a notebook in place and return it.

    Parameters
    ----------
    notebook : nbformat.NotebookNode
    cwd : Path
        Where the cells run.
    name : str
        For messages.
    environment : mapping of str to str, optional
        Laid over this process's environment.
    cell_seconds : int
        Longest time that one cell may take; ten minutes by default.

    Raises
    ------
    StageError
        If a cell raises, takes too long, or the kernel dies; names the cell.
    KeyboardInterrupt
        If this process is told to stop meanwhile; the kernel is gone then.
    """
    from nbclient.client import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    with tempfile.TemporaryDirectory(prefix="specweave-kernel-") as private:
        client = NotebookClient(
            notebook, kernel_manager_class=_manager_class(Path(private)), shutdown_kernel="immediate",
            timeout=cell_seconds, startup_timeout=_START_SECONDS, store_widget_state=False, record_timing=False,
        )  # fmt: skip
        settings = {
            **os.environ, **(environment or {}), "IPYTHONDIR": private, "PYTHONWARNINGS": "ignore",
            "PYDEVD_DISABLE_FILE_VALIDATION": "1", "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        }  # fmt: skip
        try:
            with (Path(private) / "kernel.log").open("w") as log:
                client.execute(cwd=str(cwd), env=settings, stdout=log, stderr=log)
        except CellExecutionError as error:
            raise _failure(notebook, name, f"{error.ename}: {_first_line(error.evalue)}") from error
        except CellTimeoutError as error:
            raise _failure(notebook, name, f"it took longer than {cell_seconds} s") from error
        except (DeadKernelError, RuntimeError, AssertionError) as error:
            # Ctrl-C makes nbclient take the kernel away under its own feet; it tells in no better way.
            if getattr(client, "_async_cleanup_kernel_future", None) is not None:
                raise KeyboardInterrupt from error
            told = _tail(Path(private) / "kernel.log") or _first_line(str(error))
            raise _failure(notebook, name, f"its kernel died: {told}") from error
    return notebook


def _manager_class(private: Path) -> Any:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):  # type: ignore[misc]
        """A manager that starts this interpreter, whatever kernels are installed."""

        def __init__(self, **settings: Any) -> None:
            # Files in a folder of our own: no open port, and a home that cannot be written to does not matter.
            transport = "ipc" if os.name == "posix" else "tcp"
            super().__init__(
                **{**settings, "connection_file": str(private / "kernel.json"), "transport": transport}
            )

        @property
        def kernel_spec(self) -> Any:
            argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
            return KernelSpec(argv=argv, display_name="Python 3", language="python")

    return OwnKernel


def _failure(notebook: Any, name: str, what: str) -> StageError:
    number, source = _last_run(notebook)
    first = next((line.strip() for line in source.splitlines() if line.strip()), "")
    return StageError(
        f"cell {number} ({first[:60]}{'…' if len(first) > 60 else ''}) failed: {what}",
        where=f"notebooks/{name}.ipynb",
        hint="mend that cell in Jupyter, or delete the notebook to get a fresh one, then run: sw do",
    )


def _last_run(notebook: Any) -> tuple[int, str]:
    """Return number (counted from 1 over all cells) and source of the cell that was running."""
    code = [(number, cell) for number, cell in enumerate(notebook.cells, 1) if cell.cell_type == "code"]
    failed = [(n, c) for n, c in code if any(o.get("output_type") == "error" for o in c.outputs)]
    begun = [(n, c) for n, c in code if c.get("execution_count")]
    waiting = [(n, c) for n, c in code if not c.get("execution_count")]
    number, cell = (failed or waiting or begun or [(0, None)])[0]
    return number, "" if cell is None else str(cell.source)


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1].strip() if lines else ""


def _first_line(text: str) -> str:
    lines = [line.strip() for line in _ANSI.sub("", str(text)).splitlines() if line.strip()]
    return lines[0] if lines else "no message"
