"""The report page in headless Chromium; skipped where playwright or Chromium is missing."""

import re

import numpy as np
import pytest

from adlib.evaluation import f1max
from adlib.experiments.store import ResultStore
from adlib.reports.page import write_report
from helpers.browser import WIDTHS, chromium, needs_browser, too_wide, watched
from helpers.places import ROOT

pytestmark = [pytest.mark.slow, needs_browser()]
RATES = ("false alarms", "recall", "precision", "accuracy", "F1")


@pytest.fixture(scope="module")
def results():
    """Twelve runs, of four numbers of shots."""
    found = ResultStore(ROOT / "results/elpv/sweep").results()
    return [r for r in found if (r.protocol.category, r.protocol.method) == ("mono", "patchcore")]


@pytest.fixture(scope="module")
def report(results, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    return write_report(results, ResultStore(folder), folder / "report.html", {})


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, report):
    with watched(browser, report.as_uri()) as opened:
        opened.goto(report.as_uri())
        yield opened


def shown(part) -> list[str]:
    return [part.locator(f"[data-rate='{name}']").text_content() for name in RATES]


def counted(result, threshold: float) -> list[str]:
    """What must be shown, by numpy."""
    bad, above = result.scores["label"].to_numpy() == 1, result.scores["score"].to_numpy() > threshold
    hits, alarms = int((above & bad).sum()), int((above & ~bad).sum())
    right = int((above == bad).sum())
    fractions = [(alarms, (~bad).sum()), (hits, bad.sum()), (hits, above.sum()), (right, len(bad))]
    texts = [f"{100 * part / whole:.1f}% ({part} of {whole})" if whole else "– (0 of 0)" for part, whole in fractions]
    f1 = f"{200 * hits / (above.sum() + bad.sum()):.1f}%"
    return [f"{name} {text}" for name, text in zip(RATES, [*texts, f1], strict=True)]


def test_the_threshold_moves_the_numbers(page, results):
    row = page.locator("tr[data-run]").nth(3)
    result = results[int(row.get_attribute("data-run"))]
    row.click()
    detail = page.locator("tr.detail")
    assert shown(detail) == counted(result, result.row["threshold"]["value"])
    assert "stored threshold, set for 5% false alarms (split conformal" in detail.text_content()
    start, slider = shown(detail), detail.locator("input[type=range]")
    for place in (0.1, 0.35, 0.5, 0.9):
        slider.evaluate(
            "(s, p) => { s.value = +s.min + p * (s.max - s.min); s.dispatchEvent(new Event('input')) }", place
        )
        assert shown(detail) == counted(result, float(slider.input_value()))
    slider.focus()
    before = float(slider.input_value())
    for _ in range(30):
        slider.press("ArrowLeft")
    now = float(slider.input_value())
    assert now < before and shown(detail) == counted(result, now)
    box = detail.locator("svg").bounding_box()
    page.mouse.click(box["x"] + 0.25 * box["width"], box["y"] + 20)
    low, high = (float(slider.get_attribute(name)) for name in ("min", "max"))
    assert float(slider.input_value()) == pytest.approx(low + 0.25 * (high - low), abs=0.01 * (high - low))
    line = detail.locator("svg line").evaluate("line => line.x1.baseVal.value")
    assert line == pytest.approx(0.25, abs=0.01)
    assert shown(detail) == counted(result, float(slider.input_value()))
    detail.get_by_text("back to it").click()
    assert shown(detail) == start
    row.press("Enter")
    assert page.locator("tr.detail").count() == 0


def test_the_section_of_a_method_starts_where_its_run_would_decide(page, results):
    (run,) = [r for r in results if r.protocol.shots == 256 and r.protocol.seed == 0]
    view = page.locator("[data-scores]")
    assert view.count() == 1 and shown(view) == counted(run, run.row["threshold"]["value"])
    bars = {kind: view.locator(f"svg rect.{kind}") for kind in ("good", "defective")}
    colours = {kind: bar.first.evaluate("bar => getComputedStyle(bar).fill") for kind, bar in bars.items()}
    assert colours == {"good": "rgb(0, 114, 178)", "defective": "rgb(213, 94, 0)"}
    assert view.locator("img").count() == 0


def test_without_a_stored_threshold_it_starts_at_the_oracle(browser, results, tmp_path):
    path = write_report(results, ResultStore(tmp_path), tmp_path / "report.html", {}, false_alarms=0.001)
    (run,) = [r for r in results if r.protocol.shots == 256 and r.protocol.seed == 0]
    best, threshold = f1max(run.scores["label"], run.scores["score"])
    with watched(browser, path.as_uri()) as page:
        page.goto(path.as_uri())
        view = page.locator("[data-scores]")
        assert "an oracle" in view.text_content() and shown(view) == counted(run, threshold)
        assert shown(view)[-1] == f"F1 {100 * best:.1f}%"


def test_tables_sort_by_their_headings(page):
    table = page.locator("table.sortable").last
    headings = table.locator("th")
    names = headings.all_text_contents()

    def column(name: str) -> list[float]:
        at = names.index(name) + 1
        texts = table.locator(f"tr[data-run] td:nth-child({at})").all_text_contents()
        return [float(text) for text in texts]

    for name in ("image AUROC", "shots", "recall"):
        heading, given = headings.nth(names.index(name)), column(name)
        for way in ("descending", "ascending"):
            heading.locator("button").focus()
            page.keyboard.press("Enter")
            assert heading.get_attribute("aria-sort") == way
            assert column(name) == sorted(given, reverse=way == "descending")
        others = [h.get_attribute("aria-sort") for h in headings.all() if h.text_content() != name]
        assert set(others) == {"none"}
    first = page.locator("table.sortable").first
    first.locator("th button", has_text="image AUROC").click()
    means = [float(re.match(r"[\d.]+", text)[0]) for text in first.locator("td:nth-child(5)").all_text_contents()]
    assert len(means) == 4 and means == sorted(means, reverse=True)


def test_an_open_run_stays_below_its_line_when_lines_move(page):
    page.locator("tr[data-run='0']").click()
    page.locator("table.sortable").last.locator("th button", has_text="seed").click()
    assert page.locator("tr[data-run='0'] + tr.detail").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone_and_can_be_read_in_the_dark(scheme, browser, report):
    with watched(browser, report.as_uri(), color_scheme=scheme) as page:
        page.goto(report.as_uri())
        page.locator("tr[data-run]").first.click()
        assert too_wide(page) == []
        assert page.locator("tr.detail .scores").bounding_box()["width"] > WIDTHS[0] / 2
        page.set_viewport_size({"width": WIDTHS[0], "height": 900})
        box = page.locator("tr.detail .scores").bounding_box()
        assert box["x"] >= 0 and box["x"] + box["width"] <= WIDTHS[0]
        for part in ("body", "tr.detail .rates", ".note", "th", "tr.open td"):
            assert contrast(page, part) > 4.5, part
        for kind in ("good", "defective"):
            assert contrast(page, f"svg .{kind}", "fill") > 2.5, kind


def contrast(page, part: str, colour: str = "color") -> float:
    """Ratio of luminances of a part's colour and the page's ground, as WCAG 2 has it; a fill as if it were opaque."""
    read = "(node, name) => getComputedStyle(node)[name]"
    ground = page.locator("body").evaluate(read, "backgroundColor")
    both = [_luminance(text) for text in (ground, page.locator(part).first.evaluate(read, colour))]
    return (max(both) + 0.05) / (min(both) + 0.05)


def _luminance(colour: str) -> float:
    values = np.array([float(value) for value in re.findall(r"[\d.]+", colour)[:3]]) / 255
    linear = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_without_scripts_tables_and_figures_are_there(browser, report):
    with watched(browser, report.as_uri(), java_script_enabled=False) as page:
        page.goto(report.as_uri())
        assert page.locator("tr[data-run]").count() == 12 and page.locator("[data-scores] img").is_visible()
        assert not page.locator(".scripted").is_visible() and page.locator("th button").count() == 0
