"""Answer raw rows with the packaged model. Edit freely: it is yours, and is not overwritten once edited.

python inference.py rows.csv -o answers.csv     a file of rows (CSV, Parquet, JSON lines)
python inference.py history.csv --horizon 12    the steps after a history (forecasting models)
python inference.py --serve --port 8000         HTTP: POST /predict, GET /health, GET /schema
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from specweave.errors import SpecweaveError
from specweave.serving.batch import forecast_file, predict_file
from specweave.serving.http import serve
from specweave.serving.inference import Predictor

HERE = Path(__file__).resolve().parent


def answer(rows: list[dict[str, Any]], predictor: Predictor | None = None) -> list[dict[str, Any]]:
    """Answer raw rows: prediction, probability or interval, decision and the strongest reasons."""
    predictor = predictor or Predictor.load(HERE)
    return predictor.predict(rows)


def main() -> int:
    """Read the command line and answer."""
    parser = argparse.ArgumentParser(description="Answer raw rows with the packaged model.")
    parser.add_argument("input", nargs="?", help="file of raw rows: .csv, .parquet, .jsonl")
    parser.add_argument("-o", "--output", help="file of answers: .csv, .parquet or .json")
    parser.add_argument("--horizon", type=int, help="forecast the next steps after the input's history")
    parser.add_argument("--serve", action="store_true", help="answer over HTTP instead")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    arguments = parser.parse_args()
    try:
        predictor = Predictor.load(HERE)
        if arguments.serve:
            serve(predictor, host=arguments.host, port=arguments.port)
            return 0
        if arguments.input is None:
            parser.error("name a file of rows, or give --serve")
        output = Path(arguments.output) if arguments.output else None
        if arguments.horizon:
            done = forecast_file(predictor, Path(arguments.input), arguments.horizon, output)
        else:
            done = predict_file(predictor, Path(arguments.input), output)
    except SpecweaveError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    for finding in done.get("findings", []):
        print(f"{finding.code} {finding.where}: {finding.message}", file=sys.stderr)
    print(f"{done['rows']} rows answered by model {done['version']}: {done['output']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
