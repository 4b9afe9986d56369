"""What lies on disk and is damaged, full, killed or shared: nothing that was done is lost, nothing half done counts."""

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from adlib.cli import main
from adlib.experiments.store import ResultStore
from adlib.files import write_json
from helpers.bad_files import SMALL, one_sentence
from helpers.places import ROOT

pytestmark = pytest.mark.slow

SCRIPT = ROOT / "tests/helpers/small_disk.py"


def score_lines(results: Path) -> list[str]:
    (table,) = results.glob("*.csv")
    return table.read_text(encoding="utf-8").splitlines()


def test_a_corrupt_cache(call, toy_root, tmp_path, monkeypatch):
    monkeypatch.setenv("ADLIB_CACHE", str(tmp_path / "cache"))
    arguments = ("run", "--data", toy_root, "--category", "weld", *SMALL)
    assert call(*arguments, "--results", "one")[0] == 0
    entries = list((tmp_path / "cache").rglob("*.safetensors"))
    assert len(entries) > 10
    for number, path in enumerate(entries):
        path.write_bytes([b"", b"\0" * 64, path.read_bytes()[:-7]][number % 3])
    code, _, err = call(*arguments, "--results", "two")
    assert code == 0 and score_lines(Path("one")) == score_lines(Path("two")), err


@pytest.mark.parametrize("content", ["", "{", "[]", '{"protocol": {}}'])
def test_a_corrupt_result(call, toy_root, content):
    arguments = ("run", "--data", toy_root, "--category", "weld", *SMALL, "--results", "r")
    assert call(*arguments)[0] == 0
    before, (row,) = score_lines(Path("r")), Path("r").glob("*.json")
    row.write_text(content)
    code, _, err = call("report", "r")
    assert "damaged" in one_sentence(code, err) and row.name in err
    assert call(*arguments)[0] == 0 and score_lines(Path("r")) == before
    assert call("report", "r")[0] == 0


def on_a_small_disk(kind: str, disk: Path, steps: list) -> list[dict]:
    """What each step said and left; see `small_disk.py`."""
    command = [sys.executable, str(SCRIPT), kind, str(disk), json.dumps(steps)]
    if kind == "mount":
        # A mount in a namespace of one's own needs no rights, where the system lets everybody have one.
        own = ["unshare", "--user", "--map-root-user", "--mount"]
        try:
            tried = subprocess.run([*own, "mount", "-t", "tmpfs", "tmpfs", str(disk)], capture_output=True)
        except FileNotFoundError:
            pytest.skip("there is no unshare here, so no small disk can be mounted")
        if tried.returncode:
            pytest.skip(f"no small disk can be mounted here: {tried.stderr.decode().strip()}")
        command = [*own, *command]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=disk.parent)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.parametrize(("kind", "words"), [("mount", "disk is full"), ("limit", "larger than this system allows")])
def test_a_full_disk(toy_root, model, tmp_path, kind, words):
    disk = tmp_path / "disk"
    disk.mkdir()
    run = ["run", "--data", str(toy_root), "--category", "weld", *SMALL, "--results", f"{disk}/r"]
    predict = ["predict", str(model), str(toy_root / "weld/test"), "--out", f"{disk}/p"]
    report = ["report", f"{disk}/r"]
    steps = [run, report, "fill", [*run, "--seed", "1"], report, predict, "free", [*run, "--seed", "1"], predict]
    first, table, full, same_table, no_room, again, predicted = on_a_small_disk(kind, disk, steps)
    assert first["code"] == 0 and table["code"] == 0, first
    for refused in (full, no_room):
        assert words in one_sentence(refused["code"], refused["err"])
        assert not [name for name in refused["files"] if name.endswith(".part")]
    assert same_table["code"] == 0 and same_table["out"] == table["out"]  # what was done before can still be read
    kept = {name: time for name, time in first["files"].items() if name.endswith((".json", ".csv"))}
    assert len(kept) == 2 and kept.items() <= predicted["files"].items()
    assert again["code"] == 0 and predicted["code"] == 0 and "18 images scored" in predicted["out"]
    assert len([name for name in predicted["files"] if name.startswith("r/") and name.endswith(".json")]) == 2


def test_a_full_disk_for_the_cache_costs_the_cache_only(toy_root, tmp_path, monkeypatch):
    disk = tmp_path / "disk"
    disk.mkdir()
    monkeypatch.setenv("ADLIB_CACHE", str(disk / "cache"))
    run = ["run", "--data", str(toy_root), "--category", "weld", *SMALL, "--results", str(tmp_path / "r")]
    (done,) = on_a_small_disk("mount", disk, ["fill", run])
    assert done["code"] == 0 and "image_auroc" in done["out"] and "cache is off" in done["err"]
    assert len(list(ResultStore(tmp_path / "r").results())) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mount", "limit"])
def test_a_full_disk_stops_a_sweep(toy_root, tmp_path, kind):
    disk = tmp_path / "disk"
    disk.mkdir()
    sweep = ["sweep", "--data", str(toy_root), "--category", "weld", *SMALL, "--seeds", "0", "--out", f"{disk}/s"]
    (full,) = on_a_small_disk(kind, disk, ["fill", sweep])
    sentence = one_sentence(full["code"], full["err"])
    # Either our own writing met the limit first, or papermill's, whose error says it in the system's words.
    said = {"mount": ("disk is full", "No space left"), "limit": ("larger than this system allows", "File too large")}
    assert any(words in sentence for words in said[kind])
    assert not [name for name in full["files"] if ".part" in name or name.endswith((".json", ".html"))]


def test_sigkill_in_the_middle_of_a_write(tmp_path):
    """The old content stays whole; a reader of the folder does not see the half file."""
    path = tmp_path / "row.json"
    write_json(path, {"old": 1})
    script = (
        "import os, signal, sys\nfrom adlib.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file:\n"
        "    file.write('{\"new\": ')\n    file.flush()\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, str(path)])
    assert ended.returncode == -signal.SIGKILL
    assert path.read_text().strip() == '{\n "old": 1\n}'
    assert list(tmp_path.glob("**/*.json")) == [path]


def test_sigkill_in_the_middle_of_a_result(call, toy_root, tmp_path):
    """Killed when the scores are on disk and the row is half written: the run is done again, and the table is whole."""
    run = ["run", "--data", str(toy_root), "--category", "weld", *SMALL, "--results"]
    script = (
        "import json, os, signal, sys\nfrom adlib import cli\nfrom adlib.experiments import store\n"
        "def killed(path, content):\n"
        "    with store.atomic_write(path) as file:\n"
        "        file.write(json.dumps(content)[:99])\n        file.flush()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.write_json = killed\ncli.main(sys.argv[1:])\n"
    )
    ended = subprocess.run([sys.executable, "-c", script, *run, "half"], cwd=tmp_path, stderr=subprocess.DEVNULL)
    assert ended.returncode == -signal.SIGKILL
    assert list(Path("half").glob("*.csv")) and not list(Path("half").glob("*.json"))
    assert call(*run, "half")[0] == 0 and call(*run, "whole")[0] == 0
    assert score_lines(Path("half")) == score_lines(Path("whole"))
    assert call("report", "half")[1] == call("report", "whole")[1]


def test_two_at_once_on_one_results_folder(call, toy_root):
    """All do the same run and write the same files; nobody sees half of one."""
    arguments = ["run", "--data", str(toy_root), "--category", "weld", *SMALL, "--results", "both"]
    codes: list[int] = []
    threads = [threading.Thread(target=lambda: codes.append(main(arguments))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0, 0]
    assert call(*arguments[:-1], "alone")[0] == 0
    assert score_lines(Path("both")) == score_lines(Path("alone"))
    assert len(list(ResultStore("both").results())) == 1 and not list(Path("both").glob(".*"))
