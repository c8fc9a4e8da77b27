"""Compare new rows with what the model was trained on. Edit freely: it is not overwritten once edited.

    python monitoring/check.py batch.csv            exit 1 where something moved; run it daily

Put the target's column into the batch once it is known: then performance is measured too.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from specweave.errors import SpecweaveError
from specweave.serving.monitoring import monitor_package
from specweave.tables.reading import read_table

DEPLOY = Path(__file__).resolve().parent.parent


def main(arguments: list[str]) -> int:
    """Check one file and print the record as JSON."""
    if len(arguments) != 1:
        print("usage: python monitoring/check.py BATCH.csv", file=sys.stderr)
        return 2
    try:
        record = monitor_package(DEPLOY, read_table(arguments[0]).frame)
    except SpecweaveError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(json.dumps(record, indent=2, sort_keys=True))
    return 1 if any(f["severity"] != "info" for f in record["findings"]) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
