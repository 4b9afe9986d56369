"""From a wheel, in an environment and a folder that know nothing of the checkout, every command works."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers.places import ROOT

pytestmark = pytest.mark.slow

VERSION = "0.1.0+wheel"  # which results carry, so that no other adlib can have made them
SWEEP = ("--data", "toy", "--category", "weld", "--method", "patchcore", "--resolution", "48", "--set", "coreset=20")


def checked(*command: str | Path, **how) -> str:
    """Standard output of a command that must end well."""
    ended = subprocess.run([str(word) for word in command], capture_output=True, text=True, **how)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def build(folder: Path) -> Path:
    """A wheel of the checkout, built from a copy: setuptools writes into the folder that it builds from."""
    source = folder / "source"
    shutil.copytree(ROOT / "adlib", source / "adlib", ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    changed = re.sub('^version = ".*"$', f'version = "{VERSION}"', project, flags=re.MULTILINE)
    assert changed != project
    (source / "pyproject.toml").write_text(changed, encoding="utf-8")
    pip = (sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-index", "--no-build-isolation")
    checked(*pip, "--wheel-dir", folder, source)
    (wheel,) = folder.glob("*.whl")
    return wheel


def environment(folder: Path) -> Path:
    """An environment with the packages of this one, without its adlib; returns its Python.

    What a `.pth` file names is searched last, and the `.pth` files in there, an editable adlib's too, are not read.
    """
    checked(sys.executable, "-m", "venv", "--without-pip", folder)
    (python,) = [path for path in folder.glob("*/python*") if path.stem == "python"]
    own = Path(checked(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    inherited = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    (own / "inherited.pth").write_text("\n".join(inherited) + "\n", encoding="utf-8")
    return python


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Run a program of the environment in a folder of its own: `installed("adlib", "sweep", ...)`; gives its output."""
    folder = tmp_path_factory.mktemp("wheel")
    python = environment(folder / "venv")
    checked(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", build(folder))
    work = folder / "work"
    work.mkdir()
    variables = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    variables |= {"ADLIB_CACHE": str(folder / "cache"), "HOME": str(folder)}  # no kernel that the user registered

    def run(program: str, *words: str) -> str:
        return checked(python.with_name(program), *words, cwd=work, env=variables)

    run.work = work
    return run


def test_the_wheel_is_what_is_imported(installed):
    place = installed("python", "-c", "import adlib; print(adlib.__file__)")
    assert "venv" in Path(place.strip()).parts and not Path(place.strip()).is_relative_to(ROOT)


def test_commands(installed):
    assert "patchcore" in installed("adlib", "methods")
    sweep = installed("adlib", "sweep", *SWEEP, "--shots", "1", "--seeds", "0", "--out", "s")
    assert sweep.startswith("patchcore here: ") and "at most 20 patches in the bank" in sweep.splitlines()[0]
    assert "patchcore (20 patches, top 1%)" in sweep
    out = installed.work / "s"
    assert "patchcore (20 patches, top 1%)" in (out / "report.html").read_text(encoding="utf-8")
    (row,) = out.glob("results/*.json")
    assert json.loads(row.read_text(encoding="utf-8"))["environment"]["adlib"] == VERSION  # the kernel's, too
    (notebook,) = out.glob("notebooks/*.ipynb")
    assert VERSION in notebook.read_text(encoding="utf-8")
    assert sorted(path.name for path in out.iterdir()) == ["notebooks", "report.html", "results"]
    assert "patchcore" in installed("adlib", "report", "s/results")
    assert "not run" in installed("adlib", "report", "--paper", "patchcore", "s/results")
    installed("adlib", "run", *SWEEP, "--shots", "1", "--save", "m.safetensors")
    (images,) = (path for path in (installed.work.parent / "cache").rglob("weld/test/pore") if path.is_dir())
    assert "images scored" in installed("adlib", "predict", "m.safetensors", str(images), "--out", "p")
