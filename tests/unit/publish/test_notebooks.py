"""Notebooks: made from templates, executed for real, clean to diff, and a person's cells never lost."""

from __future__ import annotations

import ast
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import numpy as np
import pandas as pd
import pytest

from specweave.errors import CorruptFileError, StageError
from specweave.publish.notebook_files import cleaned, load_edited, load_template, make_notebook, save_notebook
from specweave.publish.notebook_kernel import execute
from specweave.publish.notebooks import publish_eda, publish_feature_engineering, publish_model_analysis
from specweave.stages.explore import explore_data
from specweave.stages.features import engineer_features

SPEC = """---
id: 0001-visits
title: Visits
status: active
created: 2026-01-01
depends_on: []
---
# Visits

predict who comes back

## ML Problem Definition
- Problem type: Binary classification
- Success metrics: ROC AUC > 0.7
## Data Requirements
- Training data: visits.csv
- Target: back "again"
- Identifier: visitor
- Validation: stratified 25% holdout
## Model Requirements
- Latency: <250ms
"""
PLAN = "# Plan\n\n```yaml\nsplit: {folds: 3, seed: 7}\n```\n"
TEMPLATE = """# Title of {{ increment }}

```python
x = 1
```

Words.

<!-- when: cats -->
More about cats.

<!-- when: cats -->
```python
cats = "{{ increment }}"
```

```python
last = True
```
"""


@pytest.fixture
def visits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SPECWEAVE_PROJECT", str(tmp_path))
    folder = tmp_path / ".specweave" / "increments" / "0001-visits"
    folder.mkdir(parents=True)
    rng = np.random.default_rng(2)
    n = 160
    age, fee = rng.normal(40, 12, n).round(1), rng.exponential(30, n).round(2)
    pd.DataFrame(
        {
            "visitor": [f"v{i:05d}" for i in range(n)],
            "age": age,
            "fee": np.where(rng.random(n) < 0.1, np.nan, fee),
            "region": rng.choice(["north", "south", "west"], n),
            'back "again"': np.where(rng.random(n) < 1 / (1 + np.exp(-0.1 * (age - 40))), "yes", "no"),
        }
    ).to_csv(tmp_path / "visits.csv", index=False)
    (folder / "spec.md").write_text(SPEC)
    (folder / "plan.md").write_text(PLAN)
    return folder


def outputs(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]


def one_cell(*sources: str) -> nbformat.NotebookNode:
    template = "".join(f"```python\n{source}\n```\n\n" for source in sources)
    return make_notebook(template, {}, ())


# -- making ----------------------------------------------------------------------------------------


def test_a_template_gives_cells_in_order_and_leaves_out_what_does_not_hold() -> None:
    without = make_notebook(TEMPLATE, {"increment": "0001-x"}, ())
    assert [c.cell_type for c in without.cells] == ["markdown", "code", "markdown", "code"]
    assert without.cells[0].source == "# Title of 0001-x" and without.cells[2].source == "Words."
    whole = make_notebook(TEMPLATE, {"increment": "0001-x"}, {"cats"})
    assert [c.source for c in whole.cells[3:]] == ["More about cats.", 'cats = "0001-x"', "last = True"]
    nbformat.validate(whole)


@pytest.mark.parametrize("name", ["01-eda", "02-feature-engineering", "03-model-analysis"])
def test_every_cell_of_the_shipped_templates_is_python(name: str) -> None:
    everything = {"target", "classification", "regression", "correlations", "numeric_pair", "comparison", "rows",
                  "runner_up"}  # fmt: skip
    values = {"increment": "0001-x", "target": "y", "numeric_pair": '"a", "b"', "runner_up": "exp-002-b"}
    notebook = make_notebook(load_template(name), values, everything)
    code = [cell.source for cell in notebook.cells if cell.cell_type == "code"]
    assert len(code) >= 6
    for source in code:
        ast.parse(source)
    assert "when:" not in "".join(cell.source for cell in notebook.cells)


def test_a_notebook_counts_as_edited_only_when_its_cells_changed(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    assert load_edited(path) is None
    notebook = one_cell("x = 1")
    save_notebook(path, notebook)
    assert load_edited(path) is None
    opened = nbformat.read(path, as_version=4)
    opened.cells[0].outputs = [nbformat.v4.new_output("stream", text="1\n")]
    nbformat.write(opened, path)
    assert load_edited(path) is None  # run again by hand, cells untouched
    opened.cells[0].source = "x = 2"
    nbformat.write(opened, path)
    edited = load_edited(path)
    assert edited is not None and edited.cells[0].source == "x = 2"


def test_a_file_that_is_no_notebook_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text("{ not json")
    with pytest.raises(CorruptFileError, match="delete it to get a fresh one"):
        load_edited(path)


def test_cleaning_drops_clocks_versions_and_warnings_and_joins_pieces_of_a_stream() -> None:
    notebook = one_cell("print(1)")
    notebook.metadata["language_info"] = {"name": "python", "version": "3.99"}
    cell = notebook.cells[0]
    cell.metadata["execution"] = {"iopub.execute_input": "2026-01-01T00:00:00Z"}
    cell.outputs = [
        nbformat.v4.new_output("stream", name="stdout", text="a\n"),
        nbformat.v4.new_output("stream", name="stderr", text="/home/me/x.py:1: Warning\n"),
        nbformat.v4.new_output("stream", name="stdout", text="b\n"),
    ]
    clean = cleaned(notebook)
    assert clean.metadata["language_info"] == {"name": "python"}
    assert clean.cells[0].metadata == {} and [o.text for o in clean.cells[0].outputs] == ["a\nb\n"]
    assert len(cell.outputs) == 3  # the given notebook stays as it is


# -- executing -------------------------------------------------------------------------------------


def test_a_failing_cell_is_named_with_its_error(tmp_path: Path) -> None:
    notebook = make_notebook(
        "Words.\n\n```python\nx = 1\n```\n\n```python\n# why\nx / 0\n```\n\n```python\nx = 2\n```\n", {}, ()
    )
    with pytest.raises(StageError) as caught:
        execute(notebook, cwd=tmp_path, name="01-eda")
    assert caught.value.what == "cell 3 (# why) failed: ZeroDivisionError: division by zero"
    assert caught.value.where == "notebooks/01-eda.ipynb"


def test_a_kernel_that_dies_is_named_with_the_cell_that_killed_it(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"cell 1 \(import os\) failed: its kernel died"):
        execute(one_cell("import os\nos._exit(3)"), cwd=tmp_path, name="01-eda")


def test_a_cell_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    with pytest.raises(StageError, match=r"cell 1 .* longer than 1 s"):
        execute(one_cell("import time; time.sleep(60)"), cwd=tmp_path, name="01-eda", cell_seconds=1)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_no_kernel_outlives_its_notebook(tmp_path: Path) -> None:
    notebook = one_cell("import os\nprint(os.getpid())")
    execute(notebook, cwd=tmp_path, name="01-eda")
    assert not is_alive(int(outputs(notebook)[0].text))


def test_ctrl_c_ends_the_kernel_and_is_passed_on(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\n"
        "from specweave.publish.notebook_files import make_notebook\n"
        "from specweave.publish.notebook_kernel import execute\n"
        "cell = 'import os, time; open(\\'pid\\', \\'w\\').write(str(os.getpid())); time.sleep(120)'\n"
        "notebook = make_notebook('```python\\n' + cell + '\\n```\\n', {}, ())\n"
        "try:\n"
        "    execute(notebook, cwd=Path.cwd(), name='01-eda')\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    process = subprocess.Popen(
        [sys.executable, str(script)], cwd=tmp_path, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    pid = tmp_path / "pid"
    while process.poll() is None and (not pid.exists() or not pid.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[0] == "interrupted\n"
    assert not is_alive(int(pid.read_text()))


def test_the_first_two_notebooks_run_on_real_records_and_come_out_clean(visits: Path) -> None:
    explore_data()
    engineer_features()
    for publish in (publish_eda, publish_feature_engineering):
        (path,) = publish(visits)
        text = path.read_text()
        notebook = nbformat.reads(text, as_version=4)
        nbformat.validate(notebook)
        assert all(cell.execution_count for cell in notebook.cells if cell.cell_type == "code")
        kinds = {kind for output in outputs(notebook) for kind in output.get("data", {})}
        assert {"image/png", "text/html"} <= kinds
        assert not any(output.output_type == "error" for output in outputs(notebook))
        assert str(visits.parents[2]) not in text and "iopub" not in text
        assert set(json.loads(text)["metadata"]) == {"kernelspec", "language_info", "specweave"}


def test_an_edited_notebook_is_executed_as_it_is(visits: Path) -> None:
    explore_data()
    path = visits / "notebooks" / "01-eda.ipynb"
    made = one_cell("pass")
    made.cells[0].source = "import os\nprint(os.environ['SPECWEAVE_INCREMENT'], os.path.exists('visits.csv'))"
    save_notebook(path, made)
    publish_eda(visits)
    notebook = nbformat.read(path, as_version=4)
    assert notebook.cells[0].source == made.cells[0].source
    assert [o.text for o in outputs(notebook)] == ["0001-visits True\n"]
    assert load_edited(path) is not None  # still the person's after we executed it


def test_notebooks_before_their_task_name_it(tmp_path: Path) -> None:
    for publish, task in ((publish_eda, "T-001"), (publish_feature_engineering, "T-002")):
        with pytest.raises(StageError, match=f"sw do --task {task}"):
            publish(tmp_path)
    with pytest.raises(StageError):
        publish_model_analysis(tmp_path)
