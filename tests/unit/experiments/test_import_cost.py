"""Opening an experiment loads no numpy: training code pays for what it uses only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_tracking_a_run_imports_no_heavy_library(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "import specweave.experiments.tracking, specweave.experiments.compare\n"
        "from specweave.experiments.store import ExperimentStore\n"
        "store = ExperimentStore(Path(sys.argv[1]))\n"
        "with store.create('x') as exp:\n"
        "    exp.log_metric('a', 1.0); exp.log_param('b', 2); exp.save_report('r.md'); exp.save_model({})\n"
        "store.list()\n"
        "heavy = ('numpy', 'pandas', 'sklearn', 'torch', 'ruamel', 'click', 'matplotlib')\n"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "[]"
