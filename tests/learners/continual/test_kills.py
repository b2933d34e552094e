"""Killed again and again, a learner ends as one that is not, and so does a manager of several."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("lives", ["lives", "manager_lives"])
def test_who_is_killed_again_and_again_ends_as_who_is_not(lives: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", f"tests.learners.continual.{lives}", tmp_path, "8", str(os.getpid())],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = json.loads(run.stdout)
    assert (said["code"], said["equal"], said["history"]) == (0, True, True)
    assert said["stages"] > 1
    assert said["files"] == [".json", ".safetensors"]
