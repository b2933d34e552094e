"""Killed again and again, a learner ends as one that is not."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_a_learner_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.learners.continual.lives", tmp_path, "8", str(os.getpid())],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = json.loads(run.stdout)
    assert (said["code"], said["equal"], said["history"]) == (0, True, True)
    assert said["stages"] > 1
    assert said["files"] == [".json", ".safetensors"]
