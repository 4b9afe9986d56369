"""Pages of one chapter and the results in headless Chromium; skipped where Sphinx, playwright or Chromium is missing.

`ADLIB_SITE` names a built site to look at instead of building a small one.
"""

import functools
import html
import os
import re
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote

import pytest

from adlib.experiments.store import ResultStore
from helpers.browser import WIDTHS, chromium, needs_browser, too_wide, watched
from helpers.places import ROOT
from tools.site.__main__ import NEEDED, build, write_sources
from tools.site.languages import is_chinese, translated
from tools.site.offline import outside_resources

pytestmark = [pytest.mark.slow, needs_browser(*NEEDED)]
WHOLE = re.compile(".*" if os.environ.get("ADLIB_SITE") else r"(?!.*\.ipynb$).*")  # links to look at


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder without a line for each request."""

    def log_message(self, *_) -> None:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """A built site."""
    if given := os.environ.get("ADLIB_SITE"):
        return Path(given).resolve()
    folder = tmp_path_factory.mktemp("site")
    write_sources(folder, ["06"])
    assert build(folder, folder / "site", whole=False) == 0
    return folder / "site"


@pytest.fixture(scope="module")
def address(site):
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser():
    with chromium() as started:
        yield started


@pytest.fixture
def page(browser, address):
    """A page that fails the test on an error in the console and on a request that leaves the machine."""
    with watched(browser, address) as opened:
        yield opened


def test_nothing_is_loaded_from_elsewhere(site):
    assert outside_resources(site) == []


def test_links_between_pages_lead_somewhere(site):
    texts = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html") if path.parent.name != "_static"}
    names = {path: set(re.findall(r'\b(?:id|name)="([^"]+)"', text)) for path, text in texts.items()}
    broken, followed = [], 0
    for page, text in texts.items():
        for link in re.findall(r'<a\b[^>]*\bhref="([^":]+)"', text):
            address, _, fragment = unquote(html.unescape(link)).partition("#")
            to = (page.parent / address).resolve() if address else page
            followed += 1
            if WHOLE.fullmatch(link) is None:  # a chapter that the small site leaves out
                continue
            if not to.exists() or (fragment and to in names and fragment not in names[to]):
                broken.append((page.relative_to(site).as_posix(), link))
    assert followed > 100 and broken == []


def test_every_page_opens_and_fits_a_phone(page, address, site):
    found = {}
    for path in sorted(site.rglob("*.html")):
        name = path.relative_to(site).as_posix()
        if path.parent.name != "_static":
            page.goto(f"{address}/{name}", wait_until="load")
            found[name] = too_wide(page)
    assert len(found) > 10 and {name: widths for name, widths in found.items() if widths} == {}


def test_a_chapter_folds_answers_and_checks_and_sets_formulas(page, address):
    page.goto(f"{address}/notebooks/06_memory_bank.html")
    answer = page.locator("details:has(> summary:text-is('Answer'))").first
    assert not answer.locator("p").first.is_visible()
    answer.locator("summary").click()
    assert answer.locator("p").first.is_visible()
    assert not page.get_by_text("if parameters.as_committed():").first.is_visible()
    page.locator("mjx-container svg").first.wait_for()
    texts = page.eval_on_selector_all(".cell_output img", "images => images.map(image => image.alt)")
    assert texts and all(len(text) > 20 for text in texts)
    link = page.locator("a[href*='glossary.html#term-']").first
    assert len(link.get_attribute("title")) > 20
    link.click()
    assert page.evaluate("document.querySelector(location.hash).closest('tr') !== null")


@pytest.mark.parametrize(
    ("below", "word", "found"),
    [
        ("", "coreset", "memory_bank"),
        ("", "核心集", "glossary"),
        ("zh/", "coreset", "memory_bank"),
        ("zh/", "核心集", "glossary"),
        ("zh/", "核心集近似", "glossary"),  # no word of the index
        ("zh/", "误报率", "README"),
    ],
)
def test_the_search_finds_terms(page, address, below, word, found):
    page.goto(f"{address}/{below}search.html?q={word}")
    page.locator(f"#search-results li a[href*={found}]").first.wait_for()


def test_the_search_finds_no_chinese_word_that_is_nowhere(page, address):
    page.goto(f"{address}/zh/search.html?q=核心狗")
    page.locator("#search-results .search-summary", has_text=re.compile(r"\S")).wait_for()
    assert page.locator("#search-results li").count() == 0


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ["index", "notebooks/06_memory_bank", "notebooks/glossary", "docs/data", "search"])
def test_each_page_leads_to_itself_in_the_other_language(page, address, name, width):
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(f"{address}/{name}.html")
    assert page.evaluate("document.documentElement.lang") == "en"
    page.locator("a.language", has_text="中文").click()
    page.wait_for_url(f"{address}/zh/{name}.html")
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert is_chinese(page.title())
    page.locator("a.language", has_text="English").click()
    page.wait_for_url(f"{address}/{name}.html")


def test_translated_pages_are_chinese_and_others_say_that_they_are_not(page, address):
    for name in ("index", "notebooks/glossary", "README", "solutions", "notebooks/06_memory_bank", "docs/data"):
        page.goto(f"{address}/zh/{name}.html")
        headings = page.locator("article h1, article h2").all_text_contents()
        texts = page.locator("article div[lang=en]").count()
        assert all(map(is_chinese, headings)) if name in translated() else texts == 1, name
    assert is_chinese(page.locator(".untranslated").text_content())
    contents = page.locator(".bd-sidebar-primary .toctree-l1 > a").all_text_contents()
    assert len(contents) > 5 and [title for title in contents if not is_chinese(title)] == []


def test_a_chinese_link_to_a_term_shows_its_meaning(page, address):
    page.goto(f"{address}/zh/notebooks/06_memory_bank.html")
    link = page.locator("a[href*='glossary.html#term-']").first
    assert is_chinese(link.get_attribute("title"))
    link.click()
    assert is_chinese(page.evaluate("document.querySelector(location.hash).closest('tr').cells[0].textContent"))


def test_the_results_browser_speaks_chinese(page, address):
    page.goto(f"{address}/zh/results-browser.html")
    page.locator("tr.run").first.click()
    page.locator("[data-rate=recall]", has_text="召回率").wait_for()
    headings = page.locator("#runs th").all_text_contents()
    assert {"数据集", "方法", "样本数"} <= {heading.rstrip(" ▾▴") for heading in headings}


def without_counts(rate) -> str:
    return rate.text_content().partition(" (")[0]


def test_the_threshold_moves_the_numbers(page, address):
    page.goto(f"{address}/results-browser.html")
    page.locator("select[data-filter=dataset]").select_option("elpv")
    page.locator("select[data-filter=method]").select_option("patchcore")
    page.locator("th[data-column=image_auroc] button").click()
    values = page.eval_on_selector_all("tr.run td:nth-child(7)", "cells => cells.map(cell => Number(cell.textContent))")
    assert len(values) > 10 and values == sorted(values, reverse=True)
    page.locator("tr.run").first.click()
    rates = {name: page.locator(f"[data-rate='{name}']") for name in ("false alarms", "recall")}
    rates["recall"].wait_for()
    before = {name: rate.text_content() for name, rate in rates.items()}
    slider = page.locator("tr.detail input[type=range]")
    slider.evaluate("s => { s.value = s.min; s.dispatchEvent(new Event('input')); }")
    assert [without_counts(rate) for rate in rates.values()] == ["false alarms 100.0%", "recall 100.0%"]
    slider.evaluate("s => { s.value = s.max; s.dispatchEvent(new Event('input')); }")
    assert [without_counts(rate) for rate in rates.values()] == ["false alarms 0.0%", "recall 0.0%"]
    page.get_by_text("back to it").click()
    assert {name: rate.text_content() for name, rate in rates.items()} == before
    page.locator("tr.run").first.click()
    assert page.locator("tr.detail").count() == 0


def test_the_first_threshold_gives_the_stored_decisions(page, address):
    runs = {result.protocol.hash: result.row for result in ResultStore(ROOT / "results/mtd").results()}
    page.goto(f"{address}/results-browser.html")
    page.locator("select[data-filter=dataset]").select_option("mtd")
    page.locator("tr.run").first.wait_for()
    decided = 0
    for i in range(page.locator("tr.run").count()):
        row = page.locator("tr.run").nth(i)
        row.click()
        page.locator("tr.detail [data-rate=recall]").wait_for()
        rates = ("false alarms", "recall", "accuracy")
        shown = {r: without_counts(page.locator(f"[data-rate='{r}']")) for r in rates}
        run = row.get_attribute("data-run")
        if stored := runs[run].get("decisions"):
            wanted = {"false alarms": "false_alarm_rate", "recall": "recall", "accuracy": "accuracy"}
            assert shown == {r: f"{r} {100 * stored[key]:.1f}%" for r, key in wanted.items()}, run
            decided += 1
        row.click()
    assert decided > 3


def test_figures_stay_on_white_in_the_dark(browser, address):
    context = browser.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(f"{address}/notebooks/06_memory_bank.html")
    image = page.locator(".cell_output img").first
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert image.evaluate("i => getComputedStyle(i).backgroundColor") == "rgb(255, 255, 255)"
    assert image.evaluate("i => getComputedStyle(i).filter") == "none"
    context.close()
