"""Start-up of ``sw --help`` beside ``python -c pass`` and an argparse script, in the same call.

Run: python benchmarks/startup.py. Prints the median of each in milliseconds and the ratio to bare Python.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

RUNS = 21
ARGPARSE = "import argparse; argparse.ArgumentParser(description='x').parse_args([])"
COMMANDS = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "argparse": [sys.executable, "-c", ARGPARSE],
    "sw --help": [sys.executable, "-m", "specweave", "--help"],
    "sw status --help": [sys.executable, "-m", "specweave", "status", "--help"],
}


def main() -> None:
    """Time all commands in turn, so that a slow moment of the machine hits each of them."""
    taken: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(RUNS):
        for name, command in COMMANDS.items():
            began = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            taken[name].append((time.perf_counter() - began) * 1000)
    floor = statistics.median(taken["python -c pass"])
    for name, values in taken.items():
        middle = statistics.median(values)
        print(f"{name:<18} {middle:7.1f} ms   {middle / floor:5.2f}x")
    probe = "import sys, specweave, specweave.cli.main; print([m for m in ('numpy', 'pandas', 'rich', 'msgspec') if m in sys.modules])"
    loaded = subprocess.run(
        [sys.executable, "-c", probe], check=True, capture_output=True, text=True
    ).stdout.strip()
    print(f"heavy modules loaded by sw --help: {loaded}")


if __name__ == "__main__":
    main()
