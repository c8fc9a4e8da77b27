"""``deploy/DEPLOYMENT.md``: how to run, ask, watch and roll back the packaged model.

Reads: ``reports/deployment.json``, ``deploy/package.json``, the model's metadata. Writes: the document.
Never: promises what was not checked.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from specweave.files.atomic import write_text
from specweave.files.store import number
from specweave.publish.ahead import ahead_lines, save_pictures_ahead
from specweave.serving import inference
from specweave.stages.deployment import DEPLOY
from specweave.stages.numbers import readable
from specweave.stages.records import load_deployment

DOCUMENT = "deploy/DEPLOYMENT.md"
_MOST_METRICS = 8


def publish_deployment_docs(folder: Path) -> list[Path]:
    """Write ``deploy/DEPLOYMENT.md`` from an increment's folder.

    Raises
    ------
    StorageError
        If the deployment was not prepared yet.
    """
    record = load_deployment(folder)
    package = inference.load_package(folder / DEPLOY)
    pictures = save_pictures_ahead(folder, record, package)
    text = render_deployment(record, package, folder.name, ahead_lines(folder, record, prefix="../"))
    return [write_text(folder / DOCUMENT, text), *pictures]


def render_deployment(
    record: Mapping[str, Any], package: Mapping[str, Any], increment: str, ahead: Sequence[str] = ()
) -> str:
    """Return the document's text; `ahead` are the lines on what it answered already."""
    parts = [
        f"# Model {record['version']}",
        _intro(record, package, increment),
        *(["## What it says now", "\n".join(ahead)] if ahead else []),
        "## Run it",
        _run(record, package),
        "## Ask it",
        _ask(record),
        "## What was checked",
        _checked(record),
        "## Watch it",
        _watch(record["version"].partition("-")[0]),
        "## Roll back",
        _roll_back(record["version"].partition("-")[0]),
        "## What is in this folder",
        _files(record),
    ]
    return "\n\n".join(parts) + "\n"


def _intro(record: Mapping[str, Any], package: Mapping[str, Any], increment: str) -> str:
    lines = [
        f"{record['algorithm']} from `{record['experiment']}` of increment `{increment}`, "
        f"{record['model']['bytes'] / 1e6:.3g} MB. It takes raw rows with the columns of the training data "
        "and answers with "
        + ", ".join(_answer_parts(record["example"]["answer"]))
        + f", and the {package['reasons']} strongest reasons.",
    ]
    if package.get("current_sha256"):
        lines.append(
            "What answers (`current.pkl`) is the same recipe fitted again to every row, the held-out ones too; what "
            "was measured is `model.pkl`."
        )
    threshold = record["decision"].get("threshold")
    if threshold is not None:
        lines.append(
            f"A row is decided '{record['decision'].get('positive')}' from a probability of {threshold:.4g} "
            f"({record['decision'].get('rule')})."
        )
    metrics = [
        f"| {name} | {readable(number(m['value']))} | {_interval(m)} | {m.get('n', '')} |"
        for name, m in (package.get("metrics") or {}).items()
        if m.get("unit", "") not in ("ms", "s", "MB", "req/sec")
    ][:_MOST_METRICS]
    table = "\n".join(["| On the holdout | Value | 95 % interval | n |", "|---|---:|---|---:|", *metrics])
    return "\n\n".join([" ".join(lines), table]) if metrics else " ".join(lines)


def _answer_parts(answer: Mapping[str, Any]) -> list[str]:
    named = {"prediction": "the prediction", "probability": "its probability", "interval": "an interval",
             "decision": "the decision at the threshold"}  # fmt: skip
    return [words for key, words in named.items() if key in answer]


def _interval(metric: Mapping[str, Any]) -> str:
    low, high = number(metric.get("low")), number(metric.get("high"))
    return "" if low is None or high is None else f"{readable(low)} to {readable(high)}"


def _run(record: Mapping[str, Any], package: Mapping[str, Any]) -> str:
    image = f"model-{record['version']}"
    own = record["requirements"].get("specweave-ml")
    return f"""\
With Python, from this folder:

```sh
pip install -r requirements.txt
python inference.py rows.csv -o answers.csv      # also .parquet, .jsonl in; .parquet, .json out
python inference.py --serve --port 8000          # HTTP
```

With Docker:

```sh
docker build -t {image} .
docker run --rm -p 8000:8000 {image}
```

`requirements.txt` names specweave-ml{f" {own}" if own else ""}. Where no package index has it, put its wheel
into a folder `wheels/` here (`pip wheel --no-deps -w wheels SOURCE`); Docker takes it from there, and pip
does with `pip install --find-links wheels -r requirements.txt`.

`background.parquet` and `monitoring/reference.parquet` are samples of raw training rows (for explanations and
for drift). Treat the folder as confidentially as the data."""


def _events(record: Mapping[str, Any]) -> str:
    events = record["example"].get("events")
    if not events:
        return ""
    request = json.dumps({"rows": events}, indent=2, ensure_ascii=False)
    return f"""
Raw events do as well: one answer per unit comes back, with its name.

```json
{request}
```
"""


def _ask(record: Mapping[str, Any]) -> str:
    request = json.dumps({"rows": [record["example"]["request"]]}, indent=2, ensure_ascii=False)
    answer = json.dumps(
        {"version": record["version"], "answers": [record["example"]["answer"]], "warnings": []},
        indent=2, ensure_ascii=False,
    )  # fmt: skip
    return f"""\
`POST /predict`:

```json
{request}
```

answers

```json
{answer}
```
{_events(record)}
`GET /health` tells the version, `GET /schema` what a row looks like. A row that lacks a column, or holds text
where a number belongs, is refused with status 422 and says which column and row; a level or range that
training never had is answered, with a warning.

In Python:

```python
from specweave.serving.inference import Predictor

predictor = Predictor.load("deploy")
predictor.predict(rows)  # a DataFrame or a list of dicts
```"""


def _checked(record: Mapping[str, Any]) -> str:
    parity, latency = record["parity"], record["latency"]
    altered = parity["altered"]
    verdict = "reproduced" if parity["passed"] else "DID NOT reproduce"
    lines = [
        f"- Parity: a fresh process loaded this folder and {verdict} {parity['stored_predictions']} stored "
        f"holdout predictions (tolerance {parity['tolerance']}; largest difference "
        f"{parity['largest_difference']}).",
        f"- {parity['rows_with_missing_values']} of the rows had missing values, one of them in "
        f"{len(altered['missing'])} columns at once.",
    ]
    if parity["rows_with_unseen_levels"]:
        lines.append(f"- One row held a level never seen before in {len(altered['unseen'])} columns.")
    lines.append(
        f"- Latency of {latency['what']}: p50 {latency['p50_ms']:.1f} ms, p95 {latency['p95_ms']:.1f} ms, "
        f"p99 {latency['p99_ms']:.1f} ms over {latency['calls']} calls. A fresh process took "
        f"{parity['cold_start_s']:.1f} s from start to answers."
    )
    lines += [f"- **{f['code']}** {f['message']}: {f['advice']}." for f in record["findings"]]
    lines.append("- The Docker image was not built by this check.")
    return "\n".join(lines)


def _watch(increment: str) -> str:
    return f"""\
```sh
python monitoring/check.py batch.csv             # with this folder alone
sw monitor {increment} batch.csv                       # inside the project
```

Both compare the batch with training rows column by column (population stability index, missing values, new
levels) and the answers with those for training rows; exit status 1 means something moved. With the target's
column in the batch, the holdout's metrics are measured again. Settings: `monitoring/config.yaml`."""


def _roll_back(increment: str) -> str:
    return f"""\
```sh
sw model list {increment}
sw model rollback {increment}                          # the version that was in production before
python -c "import specweave; specweave.prepare_deployment('{increment}', version='production')"
```

The last line writes this folder again from the version that is then in production. Every version stays in
`models/` with its metadata; a file is loaded only when its sha256 is the recorded one."""


def _files(record: Mapping[str, Any]) -> str:
    what = {
        "model.pkl": "the model as it was measured; a pickle, so load it only from a place you trust",
        "current.pkl": "its recipe fitted again to every row: what answers",
        "package.json": "version, decision, columns, hash of the model",
        "schema.yaml": "what a row must look like",
        "inference.py": "answers files and HTTP requests; edit it freely",
        "requirements.txt": "exact versions of what answering imports",
        "Dockerfile": "the HTTP service as an image",
        "background.parquet": "training rows that explanations compare with",
        "monitoring/check.py": "compares a batch with training; edit it freely",
        "monitoring/config.yaml": "how much may move before it is told",
        "monitoring/reference.parquet": "training rows that batches are compared with",
    }
    lines = [f"- `{name}`: {what[name]}" for name in record["files"] if name in what]
    return "\n".join(lines)
