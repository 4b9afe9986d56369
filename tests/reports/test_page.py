"""The report page: what stands on it, in Chinese too, and that a browser opens it without a complaint."""

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from adlib import plots
from adlib.experiments.execution import run
from adlib.experiments.planning import plan
from adlib.experiments.store import ResultStore
from adlib.reports.page import _curve, page_shows, write_figures, write_report
from helpers.browser import CHROMIUM


def test_everything_a_reader_needs_is_on_it(page, weld):
    text = page[0].read_text(encoding="utf-8")
    for words in (
        "Learning curve",
        "Worst mistakes",
        "Recall of each kind of defect",
        "accuracy at the threshold",
        "Accuracy for comparison",
        "Guarantee (split conformal)",
        "Protocol",
        "Versions",
        "Data",
        f"{len(weld.samples)} images",
        "单个气孔",
        "咬边1",
        "Histogram",
    ):
        assert words in text, words
    # curve, histogram, worst mistakes, extremes
    assert text.count("data:image/") == 4
    assert 'src="http' not in text and 'href="http' not in text and str(page[0].parent) not in text


def test_without_pictures_and_threshold_the_page_says_so(page, tmp_path):
    write_report(page[1], ResultStore(tmp_path), tmp_path / "report.html", {}, false_alarms=0.01)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "no heat maps" in text and "No threshold" in text and "n/a" in text


def test_a_page_knows_what_it_shows(page):
    path, results = page
    assert page_shows(path, results, 0.2) and page_shows(path, results[::-1], 0.2)
    assert not page_shows(path, results, 0.1) and not page_shows(path, results[1:], 0.2)
    assert not page_shows(path.with_name("none.html"), results, 0.2)


@pytest.mark.parametrize("label", [0, 1])
def test_test_images_of_one_class_give_a_page_without_curve(label, weld, tmp_path):
    part = replace(weld, samples=tuple(s for s in weld.samples if s.split == "train" or s.label == label))
    store = ResultStore(tmp_path / "results")
    protocol = plan(part, "patchcore", shots=2, options={"resize": 64, "coreset": 40})
    results, data = [run(protocol, part, store)], {"焊缝": part}
    assert json.loads((store.folder / f"{protocol.title}.json").read_text("utf-8"))["metrics"]["image_ap"] is None
    text = write_report(results, store, tmp_path / "report.html", data).read_text(encoding="utf-8")
    write_figures(results, store, tmp_path / "figures", data)
    assert {path.name for path in (tmp_path / "figures").glob("*.png")} == {f"overlays_{part.name}.png"}
    assert "No metric is available" in text and text.count("data:image/") == 3 and "<td>n/a</td>" in text
    assert ("set by the good test images" in text) == (label == 0)
    assert ("set by good images outside the test set" in text) == (label == 1)


@pytest.fixture(scope="module")
def masked_page(weld, tmp_path_factory):
    """A page of runs that mask: always, and where the mask test passes."""
    folder = tmp_path_factory.mktemp("masked")
    store = ResultStore(folder / "results")
    options = {"resize": 128, "layers": ["blocks2"], "rotate": False, "mask_threshold": 4.0}
    first = plan(weld, "anomalydino", shots=2, options=options | {"mask": "always"})
    judged = plan(weld, "anomalydino", shots=1, options=options | {"mask": "test"})
    return {
        protocol.options["mask"]: write_report(
            [run(protocol, weld, store)], store, folder / f"{protocol.shots}.html", {"焊缝": weld}
        )
        for protocol in (first, judged)
    }


@pytest.mark.slow
def test_the_object_mask_is_shown_to_be_judged(masked_page, page, weld, tmp_path):
    for path in masked_page.values():
        text = path.read_text(encoding="utf-8")
        assert text.count("Object mask") == 1 and "if blue covers the part itself, run again with" in text
        assert text.count("data:image/") == 5  # curve, mask, histogram, worst mistakes, extremes
    assert "Object mask" not in page[0].read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_mask_that_cannot_be_drawn_costs_nothing_else(masked_page, weld, tmp_path):
    results = list(ResultStore(masked_page["always"].parent / "results").results())
    store, nowhere = ResultStore(tmp_path), replace(weld, root=tmp_path)
    elsewhere = replace(nowhere, samples=tuple(replace(s, path=tmp_path / s.path.name) for s in weld.samples))
    one = [r for r in results if r.protocol.options["mask"] == "always"]
    text = write_report(one, store, tmp_path / "r.html", {"焊缝": elsewhere}).read_text(encoding="utf-8")
    assert "Object mask" not in text and "no heat maps" in text


def test_missing_letters_are_announced(page, weld, tmp_path, monkeypatch):
    store = ResultStore(page[0].parent / "results")
    assert "fonts-noto-cjk" not in page[0].read_text(encoding="utf-8") or plots.chinese_font() is None
    for module in ("adlib.plots", "adlib.plots.style"):
        monkeypatch.setattr(f"{module}.chinese_font", lambda: None)
    text = write_report(page[1], store, tmp_path / "r.html", {"焊缝": weld}).read_text(encoding="utf-8")
    assert "fonts-noto-cjk" in text and "单个气孔" in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_opens_it_without_a_complaint(page, masked_page, tmp_path):
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--hide-scrollbars", "--virtual-time-budget=4000"]

    def opened(file: Path) -> tuple[str, list[str]]:
        ended = subprocess.run([*command, "--dump-dom", file.as_uri()], capture_output=True, text=True, timeout=120)
        return ended.stdout, [line for line in ended.stderr.splitlines() if "CONSOLE" in line]

    dom, complaints = opened(page[0])
    assert complaints == [] and "单个气孔" in dom and dom.rstrip().endswith("</html>")
    dom, complaints = opened(masked_page["always"])
    assert complaints == [] and "Object mask" in dom and dom.rstrip().endswith("</html>")
    # The check itself can fail: a page with an error is noticed, and so is a picture that does not load.
    checked = tmp_path / "checked.html"
    script = "<script>addEventListener('load', () => { for (const i of document.images) if (!i.naturalWidth)"
    script += " console.error('broken picture'); })</script></body>"
    text = page[0].read_text(encoding="utf-8").replace("</body>", script)
    checked.write_text(text, encoding="utf-8")
    assert opened(checked)[1] == []
    checked.write_text(re.sub("data:image/png;base64,.{20}", "data:image/png;base64,", text, count=1), encoding="utf-8")
    assert any("broken picture" in line for line in opened(checked)[1])


def test_the_curve_says_what_a_method_means(page):
    (legend,) = _curve(page[1]).legends
    assert [text.get_text() for text in legend.get_texts()] == ["patchcore (40 patches)"]
