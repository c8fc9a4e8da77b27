"""Every kind of bad input: one clear message, the right exit code, nothing half-written.

``tests/golden/errors.txt`` holds every message as a reader sees it. After a change of wording:
``UPDATE_GOLDEN=1 pytest tests/cli/test_bad_input.py``, then read the difference.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

Sw = Callable[..., Any]
ROWS = [
    f"k{i:04d},{20 + (i * 7) % 41},{'abc'[(i * 5) % 3]},{1000 + (i * 613) % 977},{'Yes' if (i * 11) % 7 < 3 else 'No'}"
    for i in range(70)
]
HEADER = "key,age,plan,income,churn"
GOOD = "\n".join([HEADER, *ROWS]) + "\n"
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "errors.txt"
HEAD = "Every message of bad input as the reader sees it. PROJECT stands for the project's folder.\n"


INC = ("inc", "predict churn", "--data", "churn.csv", "--target", "churn")
HOME = Path(".specweave/increments/0001-churn")


@dataclass(frozen=True)
class Case:
    """One kind of bad input."""

    name: str
    prepare: Callable[[Path], object]
    arguments: tuple[str, ...]
    says: str
    planned: bool = True


def data(text: str | bytes) -> Callable[[Path], object]:
    """Put a data file into a folder without a project."""
    return lambda root: (root / "churn.csv").write_bytes(text.encode() if isinstance(text, str) else text)


def edit(name: str, old: str, new: str) -> Callable[[Path], object]:
    """Replace a text in a document of the planned increment."""

    def change(root: Path) -> None:
        path = root / HOME / name
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {name}"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")

    return change


def drop(name: str) -> Callable[[Path], object]:
    """Delete a file of the planned increment."""
    return lambda root: (root / HOME / name).unlink()


def nothing(root: Path) -> None:
    """Leave the folder as it is."""


def inc(name: str, text: str | bytes, says: str) -> Case:
    """Make a case of ``sw inc`` with this data."""
    return Case(name, data(text), INC, says, planned=False)


def _target(values: Callable[[int, str], str]) -> str:
    rows = [row.rpartition(",")[0] + "," + values(i, row.rpartition(",")[2]) for i, row in enumerate(ROWS)]
    return "\n".join([HEADER, *rows]) + "\n"


CASES = [
    # -- the data file
    Case("missing file", nothing, INC, "no such file", planned=False),
    Case("missing file, another is near", data(GOOD), (*INC[:3], "chrun.csv"), "did you mean churn.csv?", planned=False),
    inc("empty file", "", "is empty"),
    inc("blank file", "\n\n\n", "error"),
    inc("header only", HEADER + "\n", "no rows"),
    inc("duplicate columns", GOOD.replace("age,plan", "age,age"), "'age' is used twice"),
    inc("ragged rows", GOOD.replace("k0003,", "k0003,1,2,"), "this row has"),
    inc("no text table", bytes(range(256)) * 20, "not a text table"),
    inc("damaged gzip", b"\x1f\x8b" + b"nonsense", "damaged"),
    Case("a folder for a file", lambda root: (root / "data").mkdir(), ("inc", "x", "--data", "data"), "'data' is a folder", planned=False),
    # -- the target
    Case("wrong target", data(GOOD), ("inc", "x", "--data", "churn.csv", "--target", "Chrun"), "did you mean churn?", planned=False),
    inc("constant target", _target(lambda i, v: "Yes"), "only one value"),
    inc("target empty everywhere", _target(lambda i, v: ""), "empty in every row"),
    inc("a class with one row", _target(lambda i, v: "Maybe" if i == 5 else v), "has one row"),
    inc("one row", "\n".join([HEADER, ROWS[0]]) + "\n", "1 row cannot be split"),
    Case(
        "infinite target",
        data("a,price\n" + "".join(f"{i},{'inf' if i == 7 else i * 1.5}\n" for i in range(40))),
        ("inc", "predict price", "--data", "churn.csv", "--problem", "regression"), "no finite number", planned=False,
    ),
    # -- the request
    Case("empty request", nothing, ("inc", "  "), "the request is empty", planned=False),
    Case("unknown problem type", nothing, ("inc", "x", "--problem", "Clustering"), "not a problem type", planned=False),
    Case("unknown metric in a request", nothing, ("inc", "x", "--metric", "Acuracy > 0.9"), "no metric is called 'Acuracy'", planned=False),
    Case("a demand that does not parse", nothing, ("inc", "x", "--metric", "precision above 0.9"), "precision > 0.9", planned=False),
    Case("wrong time column", data(GOOD), (*INC, "--time", "agee"), "did you mean age?", planned=False),
    Case("number taken", nothing, ("inc", "0001-other"), "number 0001 is taken"),
    # -- ids
    Case("no project", nothing, ("status",), "no specweave project here", planned=False),
    Case("unknown id", nothing, ("do", "0001-chrun"), "did you mean 0001-churn?"),
    Case("unknown number", nothing, ("validate", "7"), "no increment is called '7'"),
    Case("unknown task", nothing, ("do", "--task", "T-044"), "there is no task 'T-044'"),
    Case("unreadable budget", nothing, ("do", "--budget", "soon"), "'soon' is no duration"),
    # -- spec.md
    Case("a criterion that does not parse", edit("spec.md", "ROC AUC > 0.6", "ROC AUC above 0.6"), ("validate",), "ROC AUC > 0.6"),
    Case("unknown metric in the spec", edit("spec.md", "ROC AUC > 0.6", "ROC AUX > 0.6"), ("do",), "no metric is called 'ROC AUX'"),
    Case("a bar out of reach", edit("spec.md", "ROC AUC > 0.6", "ROC AUC > 60"), ("do",), "did you mean 60%?"),
    Case("spec with a merge conflict", edit("spec.md", "- Target: churn", "<<<<<<< HEAD\n- Target: churn\n=======\n- Target: age\n>>>>>>> b"), ("do",), "merge conflict"),
    Case("a section is missing", edit("spec.md", "## Data Requirements", "## Data"), ("do",), "'## Data Requirements' is missing"),
    Case("a field is missing", edit("spec.md", "- Target: churn\n", ""), ("do",), "there is no bullet 'Target'"),
    Case("a field to fill in", edit("spec.md", "- Target: churn", "- Target: (fill in: the column to predict)"), ("do",), "'Target' is not filled in"),
    Case("unknown problem type in the spec", edit("spec.md", "Problem type: Binary classification", "Problem type: Binary clasification"), ("do",), "not a problem type"),
    Case("unknown status", edit("spec.md", "status: planned", "status: ready"), ("do",), "'ready' is no status"),
    Case("front matter that is not YAML", edit("spec.md", "depends_on: []", "depends_on: ["), ("do",), "not valid YAML"),
    Case("spec that is not UTF-8", lambda root: (root / HOME / "spec.md").write_bytes(b"---\n\xff\xfe\n"), ("do",), "not UTF-8"),
    Case("spec is missing", drop("spec.md"), ("do",), "no spec.md"),
    # -- plan.md
    Case("plan block is not YAML", edit("plan.md", "  folds: ", "   folds: ["), ("do",), "not valid YAML"),
    Case("plan without a block", edit("plan.md", "```yaml", "```text"), ("do",), "this one has 0"),
    Case("unknown setting", edit("plan.md", "tuning:", "tunning:"), ("do",), "did you mean tuning?"),
    Case("setting of the wrong type", edit("plan.md", "trials: 40", "trials: many"), ("do",), "must be a whole number"),
    Case("unknown selection metric", edit("plan.md", "selection_metric: roc_auc", "selection_metric: roc_acu"), ("do",), "no metric is called 'roc_acu'"),
    Case("plan with a merge conflict", edit("plan.md", "## Choices", "<<<<<<< HEAD\n## Choices"), ("do",), "merge conflict"),
    Case("plan is missing", drop("plan.md"), ("do",), "no plan.md"),
    # -- tasks.md, scripts, records
    Case("a task stands twice", edit("tasks.md", "T-003:", "T-002:"), ("do",), "T-002 stands twice"),
    Case("a badly numbered task", edit("tasks.md", "T-003:", "T-3:"), ("do",), "is not a task"),
    Case("a task without a script", edit("tasks.md", "  - script: `pipeline/t003_baselines.py`\n", ""), ("do",), "T-003 has no script"),
    Case("a removed task is asked for", edit("tasks.md", "- [ ] T-009: A/B test plan\n", ""), ("do", "--task", "T-009"), "there is no task 'T-009'"),
    Case("a deleted script", drop("pipeline/t005_tuning.py"), ("do",), "the script of T-005 is missing"),
    Case("tasks are missing", drop("tasks.md"), ("do",), "no tasks.md"),
    Case("tests.md with a broken table", edit("tests.md", "<!-- specweave:end results -->", ""), ("validate",), "do not pair up"),
    Case("a demand of tests.md that does not parse", lambda root: (root / HOME / "tests.md").open("a").write("- Fairness: Recall high for all\n"), ("validate",), "is not a criterion"),
    Case("a damaged lock", lambda root: (root / HOME / "pipeline.lock.json").write_text("{"), ("do",), "not valid JSON"),
    Case("a lock of a newer version", lambda root: (root / HOME / "pipeline.lock.json").write_text('{"kind": "pipeline-lock", "schema": 99}'), ("do",), "newer"),
    Case("half a waiver", lambda root: [(root / HOME / "waivers").mkdir(), (root / HOME / "waivers" / "roc_auc.md").write_text("- reason: later\n")], ("validate",), "lacks owner, expires"),
    Case("settings that are not YAML", lambda root: (root / ".specweave" / "config.yaml").write_text("jobs: ["), ("do",), "not valid YAML"),
    # -- what was not made yet
    Case("predict before a model", nothing, ("predict", "1", "churn.csv"), "there is no inference package yet"),
    Case("serve before a model", nothing, ("serve", "1"), "there is no inference package yet"),
]  # fmt: skip


def golden() -> dict[str, str]:
    """Return the golden text of each case."""
    if not GOLDEN.exists():
        return {}
    parts = re.split(r"^## (.+)\n", GOLDEN.read_text(encoding="utf-8"), flags=re.M)[1:]
    return {name: body.strip("\n") for name, body in zip(parts[::2], parts[1::2], strict=True)}


def check_golden(name: str, text: str) -> None:
    """Compare with the golden text, or write it where ``UPDATE_GOLDEN`` is set."""
    known = golden()
    if os.environ.get("UPDATE_GOLDEN"):
        known[name] = text.strip("\n")
        order = [c.name for c in CASES] + sorted(set(known) - {c.name for c in CASES})
        GOLDEN.write_text(
            HEAD + "".join(f"\n## {n}\n{known[n]}\n" for n in order if n in known), encoding="utf-8"
        )
    assert known.get(name) == text.strip("\n")


def shown(arguments: tuple[str, ...], result: Any, root: Path) -> str:
    """Return command, exit code and message as the golden file holds them."""
    words = " ".join(f"'{a}'" if " " in a else a for a in arguments)
    text = result.err.replace(str(root.resolve()), "PROJECT").replace(str(root), "PROJECT")
    return f"$ sw {words}\n{text}exit {result.code}"


def files(root: Path) -> dict[str, bytes]:
    """Return every file below a folder but the disposable ones."""
    return {
        p.relative_to(root).as_posix(): p.read_bytes()
        for p in sorted(root.rglob("*")) if p.is_file() and "cache" not in p.parts
    }  # fmt: skip


def assert_clear(result: Any) -> None:
    """A message for people: what, how to mend it, and nothing of the machinery."""
    assert result.code == 2, result
    assert result.err.startswith("error: ")
    assert "\n  " in result.err, "the message says how to mend it"
    assert "Traceback" not in result.err + result.out
    assert "internal" not in result.err and "defect" not in result.err
    assert result.out == ""


@pytest.mark.parametrize("case", CASES, ids=[c.name for c in CASES])
def test_bad_input_gives_one_clear_message(case: Case, planned: Path, tmp_path: Path, sw: Sw) -> None:
    root = planned if case.planned else tmp_path / "empty"
    root.mkdir(exist_ok=True)
    case.prepare(root)
    before = files(root)
    result = sw(*case.arguments, cwd=root)
    assert_clear(result)
    assert case.says in result.err
    assert files(root) == before, "nothing is half-written"
    check_golden(case.name, shown(case.arguments, result, root))


def test_the_golden_file_holds_these_cases_and_no_other() -> None:
    assert set(golden()) == {c.name for c in CASES} | {"read-only folder", "full disk", "bad data in a task"}


# -- what is mended on the way in, and said --------------------------------------------------------


def told(root: Path) -> str:
    return next(root.glob(".specweave/increments/*/plan.md")).read_text(encoding="utf-8")


def with_column(name: str, value: Callable[[int, str], str]) -> str:
    head, *rows = GOOD.splitlines()
    return "\n".join([f"{head},{name}", *(f"{row},{value(i, row)}" for i, row in enumerate(rows))]) + "\n"


MENDED: dict[str, tuple[bytes, str]] = {
    "a semicolon file": (GOOD.replace(",", ";").encode(), "';'"),
    "a file that is not UTF-8": (GOOD.replace("plan", "Größe").encode("latin-1"), "not UTF-8"),
    "a target with missing values": (GOOD.replace("Yes\n", "\n", 3).encode(), "SW217 churn: 3 rows have no value"),
    "mixed types in a column": (GOOD.replace(",27,", ",unknown,", 1).encode(), "SW211 age: 1 cell"),
    "an all-missing column": (with_column("void", lambda i, row: "").encode(), "SW202 void: no row has a value"),
    "infinite values": (GOOD.replace(",27,", ",inf,", 1).encode(), "SW210 age: 1 infinite value"),
    "the target in disguise": (
        with_column("flag", lambda i, row: "1" if row.endswith("Yes") else "0").encode(), "SW207 flag"),
    "dates as text": (
        with_column("since", lambda i, row: f"{1 + i % 28}.{1 + (i * 5) % 12}.2025").encode(), "1 datetime"),
}  # fmt: skip


@pytest.mark.parametrize("name", MENDED)
def test_what_can_be_mended_is_mended_and_said(name: str, tmp_path: Path, sw: Sw) -> None:
    data, says = MENDED[name]
    (tmp_path / "churn.csv").write_bytes(data)
    result = sw("inc", "predict churn", "--data", "churn.csv", "--target", "churn", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    spec = next(tmp_path.glob(".specweave/increments/*/spec.md")).read_text(encoding="utf-8")
    assert says in told(tmp_path) + spec
    if "SW2" in says:
        assert f"doubt: {says}" in result.out


def test_ten_thousand_columns_are_planned_in_a_readable_plan(tmp_path: Path, sw: Sw) -> None:
    names = ",".join(f"c{i}" for i in range(10_000))
    rows = [",".join([("No", "Yes")[i % 2], *[str((i * j) % 17) for j in range(10_000)]]) for i in range(20)]
    (tmp_path / "wide.csv").write_text(f"churn,{names}\n" + "\n".join(rows) + "\n")
    result = sw("inc", "predict churn", "--data", "wide.csv", cwd=tmp_path)
    assert (result.code, result.err) == (0, "")
    assert "10001 columns for 20 rows" in told(tmp_path)
    assert len(told(tmp_path)) < 40_000


# -- the file system refuses -----------------------------------------------------------------------


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that every user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="specweave-"))
    folder.chmod(0o755)
    yield folder
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o755)
    shutil.rmtree(folder)


@dataclass(frozen=True)
class Done:
    """What a call as another user gave."""

    code: int
    out: str
    err: str


def as_another_user(arguments: tuple[str, ...], cwd: Path) -> Done:
    """Run ``sw`` as a user who owns nothing here: root may write anywhere."""
    code = "import sys; from specweave.cli.main import main; main(sys.argv[1:])"
    user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*user, sys.executable, "-c", code, *arguments],
        cwd=cwd, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    return Done(done.returncode, done.stdout, done.stderr)


def test_a_read_only_folder_is_said_and_left_alone(planned: Path, open_folder: Path, sw: Sw) -> None:
    root = open_folder / "project"
    shutil.copytree(planned, root)
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = files(root)
    if os.geteuid() == 0:
        if shutil.which("setpriv") is None:
            pytest.skip("root may write anywhere, and there is no setpriv to become somebody else")
        probe = as_another_user(("--version",), root)
        if probe.code:
            pytest.skip("another user cannot read this Python")
        run: Callable[[tuple[str, ...]], Any] = lambda a: as_another_user(a, root)  # noqa: E731
    else:
        run = lambda a: sw(*a, cwd=root)  # noqa: E731
    told = []
    for arguments in (("do",), ("inc", "predict churn")):
        result = run(arguments)
        assert_clear(result)
        assert "cannot write" in result.err and "chmod u+w" in result.err
        told.append(shown(arguments, result, root))
    assert files(root) == before
    # What only reads still works.
    assert run(("do", "--dry-run")).code == 0
    text = re.sub(r"claims/\d+", "claims/N", "\n".join(told))
    check_golden("read-only folder", text)


LIMIT = "import resource, signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))"


def test_a_full_disk_leaves_no_half_increment(tmp_path: Path, sw_process: Sw) -> None:
    (tmp_path / "churn.csv").write_text(GOOD)
    result = sw_process("inc", "predict churn", "--data", "churn.csv", cwd=tmp_path, before=LIMIT)
    assert_clear(result)
    assert not list(tmp_path.glob(".specweave/increments/0*"))
    assert not list(tmp_path.rglob("*.tmp"))
    check_golden("full disk", shown(("inc", "predict churn", "--data", "churn.csv"), result, tmp_path))


def test_a_really_full_disk_is_named(tmp_path: Path, sw: Sw) -> None:
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", str(place)], capture_output=True, check=False)  # fmt: skip
    if mounted.returncode:
        pytest.skip("only root may mount a small disk to fill")
    try:
        (tmp_path / "churn.csv").write_text(GOOD)
        result = sw("inc", "predict churn", "--data", "../churn.csv", cwd=place)
        assert_clear(result)
        assert "No space left on device" in result.err
        assert "free some disk space" in result.err
        assert not list(place.glob(".specweave/increments/0*"))
        assert not list(place.rglob("*.tmp"))
    finally:
        subprocess.run(["umount", str(place)], check=True)


# -- bad input that only a task meets --------------------------------------------------------------


def test_data_that_went_bad_later_fails_the_task_with_exit_2(planned: Path, sw: Sw) -> None:
    table = planned / "churn.csv"
    table.write_text(table.read_text().replace(",No\n", ",Yes\n"))
    result = sw("do", cwd=planned)
    assert result.code == 2
    assert "Traceback" not in result.out + result.err
    assert "holds only one value ('Yes')" in result.err
    increment = planned / ".specweave" / "increments" / "0001-churn"
    assert not (increment / "data").exists()
    assert "- [x]" not in (increment / "tasks.md").read_text()
    check_golden("bad data in a task", shown(("do",), result, planned))
    status = sw("status", cwd=planned)
    assert status.code == 0 and "0/9" in status.out
