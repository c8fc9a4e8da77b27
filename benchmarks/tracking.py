"""How fast experiments are recorded and read back, beside the trackers people use, in one call.

Reads: nothing. Writes: a temporary folder. Never: talks to the network.

    python benchmarks/tracking.py [--json FILE] [--quick] [--only NAME ...]

Each tracker runs in a fresh process of its own, one after another; those that are not installed are
listed as such. "floor" is what the machine can do at all: a JSON line written and flushed per call, a
folder with one small file per run.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Log = Callable[[int], None]


class Tracker:
    """One way to record experiments; subclasses fill in what their library calls these things."""

    package = ""
    # Slow ones get fewer calls, so that the whole comparison ends within minutes.
    calls = 100_000
    runs = 200
    reads = 1000

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        """Open a run and close it again; yields ``log(step)``."""
        raise NotImplementedError
        yield

    def read_table(self) -> int | None:
        """Read every run's params and metrics into a table; return its rows, None where there is no way."""
        return None

    def count_steps(self) -> int | None:
        """Return how many logged steps are on disk."""
        return None


class Floor(Tracker):
    """A JSON line written and flushed per call."""

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        folder = self.folder / f"{name}-{time.monotonic_ns()}"
        folder.mkdir(parents=True)
        with (folder / "history.jsonl").open("w") as stream:

            def log(step: int) -> None:
                stream.write(
                    json.dumps({"step": step, "time": time.time(), "values": {"loss": step / 7}}) + "\n"
                )
                stream.flush()

            yield log

    def read_table(self) -> int:
        return len([json.loads(p.read_text().splitlines()[-1]) for p in self.folder.glob("*/history.jsonl")])

    def count_steps(self) -> int:
        return sum(len(p.read_text().splitlines()) for p in self.folder.glob("*/history.jsonl"))


class Specweave(Tracker):
    """This package."""

    package = "specweave"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        from specweave.experiments.store import ExperimentStore

        self.store = ExperimentStore(folder)

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        with self.store.create(name) as run:
            run.log_params({"depth": 6, "rate": 0.1})
            yield lambda step: run.log_metric("loss", step / 7, step=step)

    def read_table(self) -> int:
        return len([{"id": r.id, **r.params, **r.metrics} for r in self.store.list()])

    def count_steps(self) -> int:
        return sum(len(record.load_history()) for record in self.store.list())


class MLflow(Tracker):
    """MLflow with its sqlite store (its plain files are refused since 3.13)."""

    package = "mlflow"
    calls = 1000
    runs = 60
    reads = 200

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
        import mlflow

        self.mlflow = mlflow
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        if mlflow.get_experiment_by_name("bench") is None:
            mlflow.create_experiment("bench", artifact_location=str(folder / "artifacts"))
        mlflow.set_experiment("bench")

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        with self.mlflow.start_run(run_name=name):
            self.mlflow.log_params({"depth": 6, "rate": 0.1})
            yield lambda step: self.mlflow.log_metric("loss", step / 7, step=step)

    def read_table(self) -> int:
        return len(self.mlflow.search_runs(experiment_names=["bench"]))

    def count_steps(self) -> int:
        client = self.mlflow.MlflowClient()
        runs = self.mlflow.search_runs(experiment_names=["bench"])["run_id"]
        return sum(len(client.get_metric_history(run, "loss")) for run in runs)


class WandbOffline(Tracker):
    """Weights & Biases in offline mode."""

    package = "wandb"
    calls = 5000
    runs = 8

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ.update(WANDB_MODE="offline", WANDB_SILENT="true", WANDB_DIR=str(folder))
        import wandb

        self.wandb = wandb

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        settings = self.wandb.Settings(console="off", x_disable_stats=True)
        run = self.wandb.init(project="bench", name=name, dir=str(self.folder), settings=settings)
        run.config.update({"depth": 6, "rate": 0.1})
        yield lambda step: run.log({"loss": step / 7}, step=step)
        run.finish()


class DVCLive(Tracker):
    """DVCLive, one folder per run."""

    package = "dvclive"
    calls = 500
    runs = 60

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        from dvclive import Live

        folder = str(self.folder / f"{name}-{time.monotonic_ns()}")
        with Live(folder, save_dvc_exp=False, dvcyaml=None) as live:
            live.log_params({"depth": 6, "rate": 0.1})

            def log(step: int) -> None:
                live.log_metric("loss", step / 7)
                live.next_step()

            yield log

    def count_steps(self) -> int:
        files = self.folder.glob("*/plots/metrics/loss.tsv")
        return sum(max(0, len(p.read_text().splitlines()) - 1) for p in files)


class Trackio(Tracker):
    """Trackio, local only."""

    package = "trackio"
    calls = 5000
    runs = 20

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        os.environ["TRACKIO_DIR"] = str(folder)
        import trackio

        self.trackio = trackio

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        self.trackio.init(
            project="bench", name=f"{name}-{time.monotonic_ns()}", config={"depth": 6, "rate": 0.1}
        )
        yield lambda step: self.trackio.log({"loss": step / 7}, step=step)
        self.trackio.finish()


class TensorBoard(Tracker):
    """TensorBoardX event files."""

    package = "tensorboardX"
    calls = 20_000
    runs = 60

    @contextlib.contextmanager
    def run(self, name: str) -> Iterator[Log]:
        from tensorboardX import SummaryWriter

        with SummaryWriter(str(self.folder / f"{name}-{time.monotonic_ns()}")) as writer:
            yield lambda step: writer.add_scalar("loss", step / 7, step)


TRACKERS: dict[str, type[Tracker]] = {
    "floor": Floor,
    "specweave": Specweave,
    "mlflow": MLflow,
    "wandb": WandbOffline,
    "dvclive": DVCLive,
    "trackio": Trackio,
    "tensorboard": TensorBoard,
}


def measure(kind: type[Tracker], folder: Path, quick: bool) -> dict[str, Any]:
    """Measure one tracker in this process."""
    shrink = 10 if quick else 1
    began = time.perf_counter()
    tracker = kind(folder / "log")
    found: dict[str, Any] = {"import_s": time.perf_counter() - began}
    (folder / "log").mkdir(parents=True, exist_ok=True)

    began = time.perf_counter()
    with tracker.run("first") as log:
        log(0)
    found["first_run_ms"] = (time.perf_counter() - began) * 1e3

    calls = max(200, kind.calls // shrink)
    with tracker.run("log") as log:
        seconds = []
        for step in range(calls // 10):
            start = time.perf_counter()
            log(step)
            seconds.append(time.perf_counter() - start)
        found["log_p99_us"] = statistics.quantiles(seconds, n=100)[98] * 1e6
        began = time.perf_counter()
        for step in range(calls // 10, calls):
            log(step)
        found["log_per_s"] = (calls - calls // 10) / (time.perf_counter() - began)
    found["bytes_per_call"] = size_of(folder) / (calls + 1)

    times = []
    before = size_of(folder)
    runs = max(3, kind.runs // shrink)
    for number in range(runs):
        start = time.perf_counter()
        with tracker.run(f"run-{number}") as log:
            log(0)
        times.append(time.perf_counter() - start)
    found["run_ms"] = statistics.median(times) * 1e3
    found["runs_200_s"] = sum(times) / runs * 200
    found["bytes_per_run"] = (size_of(folder) - before) / runs
    found |= measure_reading(kind, folder, max(20, kind.reads // shrink))
    return found


def measure_reading(kind: type[Tracker], folder: Path, runs: int) -> dict[str, Any]:
    """Make runs, then read them back in a fresh process, twice there."""
    if kind.read_table is Tracker.read_table:
        return {}
    (folder / "read").mkdir()
    tracker = kind(folder / "read")
    for number in range(runs):
        with tracker.run(f"run-{number}") as log:
            log(0)
    code = (
        "import sys, time, json; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import tracking\n"
        "t = tracking.TRACKERS[sys.argv[1]](Path(sys.argv[2]))\n"
        "a = time.perf_counter(); rows = t.read_table(); b = time.perf_counter(); t.read_table()\n"
        "print(json.dumps([rows, b - a, time.perf_counter() - b]))\n"
    )
    name = next(n for n, k in TRACKERS.items() if k is kind)
    output = subprocess.run(
        [sys.executable, "-c", code, name, str(folder / "read")], capture_output=True, text=True, check=True
    ).stdout
    rows, cold, warm = json.loads(output.splitlines()[-1])
    return {"read_rows": rows, "read_1000_cold_s": cold / rows * 1000, "read_1000_warm_s": warm / rows * 1000}


def measure_survival(name: str, folder: Path, steps: int) -> dict[str, Any]:
    """Kill a process -9 right after its last call has returned; count the steps on disk."""
    kind = TRACKERS[name]
    if kind.count_steps is Tracker.count_steps:
        return {}
    folder.mkdir(parents=True)
    code = (
        "import os, sys; from pathlib import Path\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "import tracking\n"
        "with tracking.TRACKERS[sys.argv[1]](Path(sys.argv[2])).run('killed') as log:\n"
        "    for step in range(int(sys.argv[3])): log(step)\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, name, str(folder), str(steps)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != -signal.SIGKILL:
        return {"survived": f"did not run: {done.stderr[-200:]}"}
    return {"survived": f"{kind(folder).count_steps()} of {steps}"}


def size_of(folder: Path) -> int:
    """Return the bytes on disk under a folder."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


COLUMNS = (
    ("import_s", "import s", "{:.2f}"),
    ("log_per_s", "log_metric /s", "{:,.0f}"),
    ("of_floor", "x floor", "{:.2f}"),
    ("log_p99_us", "p99 µs", "{:.1f}"),
    ("run_ms", "run ms", "{:.2f}"),
    ("runs_200_s", "200 runs s", "{:.2f}"),
    ("read_1000_cold_s", "read 1000 cold s", "{:.3f}"),
    ("read_1000_warm_s", "warm s", "{:.3f}"),
    ("bytes_per_call", "bytes/call", "{:.0f}"),
    ("bytes_per_run", "bytes/run", "{:,.0f}"),
    ("survived", "steps after kill -9", "{}"),
)


def render(results: dict[str, dict[str, Any]]) -> str:
    """Return the results as a Markdown table."""
    lines = ["| tracker | " + " | ".join(title for _, title, _ in COLUMNS) + " |"]
    lines.append("|---" * (len(COLUMNS) + 1) + "|")
    for name, found in results.items():
        if "missing" in found:
            lines.append(f"| {name} | {found['missing']} |" + " |" * (len(COLUMNS) - 1))
            continue
        cells = [form.format(found[key]) if key in found else "" for key, _, form in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description="Compare trackers on this machine.")
    parser.add_argument("--json", type=Path, help="also write the numbers here")
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls")
    parser.add_argument("--only", nargs="*", choices=list(TRACKERS), help="these trackers only")
    parser.add_argument("--measure", choices=list(TRACKERS), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(TRACKERS[options.measure], options.folder, options.quick)))
        return
    results: dict[str, dict[str, Any]] = {}
    for name in options.only or TRACKERS:
        package = TRACKERS[name].package
        if package and importlib.util.find_spec(package) is None:
            results[name] = {"missing": f"{package} is not installed"}
            continue
        print(f"measuring {name} ...", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, __file__, "--measure", name, "--folder", folder]
            done = subprocess.run(
                command + ["--quick"] * options.quick, capture_output=True, text=True, check=False
            )
            if done.returncode:
                results[name] = {"missing": f"failed: {done.stderr.strip().splitlines()[-1][:150]}"}
                continue
            results[name] = json.loads(done.stdout.splitlines()[-1])
            steps = min(10_000, TRACKERS[name].calls) // (10 if options.quick else 1)
            results[name] |= measure_survival(name, Path(folder) / "killed", steps)
    floor = results.get("floor", {}).get("log_per_s")
    for found in results.values():
        if floor and "log_per_s" in found:
            found["of_floor"] = floor / found["log_per_s"]
    print(render(results))
    print("\nx floor: time per call over that of a JSON line written and flushed; lower is faster.")
    if options.json:
        options.json.write_text(json.dumps(results, indent=2, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
