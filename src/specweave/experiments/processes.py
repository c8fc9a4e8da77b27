"""Whether the process that wrote a record still lives.

Reads: /proc where there is one. Writes: nothing. Never: sends a signal that does anything.
"""

from __future__ import annotations

import os
import socket
from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def host_name() -> str:
    """Return this machine's name."""
    return socket.gethostname()


def started_ticks(pid: int) -> int | None:
    """Return when a process began, in kernel ticks since boot, or None where the system does not say.

    A pid is given again after its process ends; the pair (pid, ticks) is not.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    # The command name stands in brackets and may hold spaces; field 22 counts from after it.
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended: it only waits for its parent to ask.
    return None if fields[0] == "Z" else int(fields[19])


def is_alive(pid: int, ticks: int | None) -> bool:
    """Return whether the process that wrote (pid, ticks) on this host still runs."""
    if ticks is not None:
        return started_ticks(pid) == ticks
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
