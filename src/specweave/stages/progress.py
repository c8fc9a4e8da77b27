"""What is happening right now, told to whoever listens.

Reads: nothing. Writes: lines to standard error, or events to the runner. Never: decides anything.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

Listener = Callable[[dict[str, Any]], None]
_listeners: list[Listener] = []


def listen(listener: Listener) -> Callable[[], None]:
    """Hand every event to `listener`; return the function that stops it."""
    _listeners.append(listener)
    return lambda: _listeners.remove(listener)


def tell(event: str, message: str = "", **fields: Any) -> None:
    """Tell an event: ``note``, ``experiment``, ``fold``, ``trial``.

    Without a listener (a script run by hand) the message is printed as a plain line.
    """
    record = {"event": event, "message": message, **fields}
    if _listeners:
        for listener in list(_listeners):
            listener(record)
    elif message:
        print(f"  {message}", file=sys.stderr)
