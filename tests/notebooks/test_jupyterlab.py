"""Chapter 06 in a real JupyterLab: its sliders move, and the figure follows; skipped where there is no browser."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import papermill
import pytest
import yaml

from helpers.browser import chromium, needs_browser
from helpers.places import ROOT

pytestmark = [pytest.mark.slow, needs_browser("jupyterlab")]
CHAPTER = "06_memory_bank"
TOKEN = "only-this-test"
# Every cell is drawn, also outside the window; no request for news.
SETTINGS = {
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}
SECONDS = 300  # for all cells, at reduced parameters, on a busy machine


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[str]:
    """The address of a copy of the chapter, at reduced parameters and without outputs, in a JupyterLab of its own."""
    folder = tmp_path_factory.mktemp("lab")
    _write_chapter(folder / "notebooks")
    for name, content in SETTINGS.items():
        path = folder / f"settings/@jupyterlab/{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    places = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    places |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "PYTHONPATH": str(ROOT)}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(command, env=os.environ | places, stdout=log, stderr=subprocess.STDOUT)
    try:
        _wait_for(f"http://127.0.0.1:{port}/api?token={TOKEN}", server, folder / "log")
        yield f"http://127.0.0.1:{port}/lab/tree/{CHAPTER}.ipynb?token={TOKEN}"
    finally:
        server.terminate()  # it ends its kernels
        server.wait(timeout=60)


def _write_chapter(folder: Path) -> None:
    shutil.copytree(ROOT / "notebooks/schematics", folder / "schematics")
    reduced = yaml.safe_load((ROOT / "tests/notebooks/overrides.yaml").read_text(encoding="utf-8"))[CHAPTER]
    path = folder / f"{CHAPTER}.ipynb"
    papermill.execute_notebook(ROOT / f"notebooks/{CHAPTER}.ipynb", path, reduced, prepare_only=True)
    notebook = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    nbformat.write(notebook, path)


def _wait_for(address: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5)
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.2)
    pytest.fail(f"JupyterLab did not start: {log.read_text()}")


def test_a_click_on_a_slider_changes_the_figure_and_keeps_its_aspect(lab, tmp_path):
    with chromium() as browser:
        page = browser.new_page(viewport={"width": 1300, "height": 1000})
        page.set_default_timeout(60_000)
        page.goto(lab)
        page.get_by_text("| Idle").wait_for()  # the kernel; a command before that asks for one
        page.locator(".lm-MenuBar-itemLabel", has_text="Run").first.click()
        page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
        figure = page.locator("img.widget-image")
        figure.wait_for(timeout=SECONDS * 1000)
        assert page.locator(".jp-OutputArea-output[data-mime-type='application/vnd.jupyter.stderr']").count() == 0
        page.locator(".widget-hslider").first.scroll_into_view_if_needed()
        first = _loaded(page, figure, "")
        page.screenshot(path=tmp_path / "first.png")
        tracks, handles = page.locator(".widget-hslider .noUi-base"), page.locator(".widget-hslider .noUi-handle")
        assert tracks.count() == 2
        for number in (0, 1):
            here = float(handles.nth(number).get_attribute("aria-valuenow"))
            low, high = (float(handles.nth(number).get_attribute(f"aria-value{end}")) for end in ("min", "max"))
            far = 0.1 if here > (low + high) / 2 else 0.9  # a place well away from where the slider is
            size = tracks.nth(number).bounding_box()
            tracks.nth(number).click(position={"x": far * size["width"], "y": size["height"] / 2})
            first = _loaded(page, figure, first)
        page.screenshot(path=tmp_path / "clicked.png")
        handles.nth(0).focus()
        page.keyboard.press("ArrowRight")
        _loaded(page, figure, first)
        page.set_viewport_size({"width": 700, "height": 1000})
        _loaded(page, figure, "")
        figure.scroll_into_view_if_needed()
        page.screenshot(path=tmp_path / "narrow.png")
        ends = [part.bounding_box()["x"] + part.bounding_box()["width"] for part in (*tracks.all(), figure)]
        assert max(ends[:2]) < ends[2]  # both sliders can be reached


def _loaded(page, figure, before: str) -> str:
    """The address of the figure once it is another than before and drawn; its sides must be in the image's ratio."""
    page.wait_for_function(
        "([image, before]) => image.src !== before && image.complete && image.naturalWidth > 0",
        arg=[figure.element_handle(), before],
    )
    width, height, own_width, own_height = figure.evaluate(
        "image => [image.clientWidth, image.clientHeight, image.naturalWidth, image.naturalHeight]"
    )
    assert width > 300 and height == pytest.approx(width * own_height / own_width, rel=0.01)
    return figure.get_attribute("src")
