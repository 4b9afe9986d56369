"""The scripts in data_scripts/."""

import os
import subprocess
import sys

import pytest

from helpers.places import ROOT

SCRIPTS = sorted((ROOT / "data_scripts").glob("*.py"))


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: p.name)
def test_each_script_runs_and_explains_itself(path, tmp_path):
    answer = subprocess.run(
        [sys.executable, path, "--help"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, "COLUMNS": "80"},
    )
    assert answer.returncode == 0 and all(option in answer.stdout for option in ("--to", "--from", "--check", "--url"))


def test_there_are_six_scripts():
    assert [p.stem for p in SCRIPTS] == ["gdxray_welds", "mstc", "mtd", "mvtec", "mvtec_3d", "visa"]
