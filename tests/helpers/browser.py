"""Headless Chromium by playwright, for tests of pages; both are optional, and a test says which is missing."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
WIDTHS = (390, 1300)  # pixels: of a phone and of a desk


def needs_browser(*modules: str) -> pytest.MarkDecorator:
    """A mark that skips where playwright, Chromium or one of further modules is missing."""
    missing = [name for name in (*modules, "playwright") if find_spec(name) is None]
    missing += [] if CHROMIUM else ["Chromium"]
    return pytest.mark.skipif(bool(missing), reason=f"not there: {', '.join(missing)}; pip install 'adlib[site]'")


@contextmanager
def chromium() -> Iterator[Any]:
    """A started browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


@contextmanager
def watched(browser: Any, address: str, **settings: Any) -> Iterator[Any]:
    """A page; at the end it must have had no error in its console and no request but to an address.

    browser: from `chromium`.
    address: how the addresses of allowed requests begin.
    settings: of the browser's context, such as color_scheme.
    """
    context = browser.new_context(**{"viewport": {"width": WIDTHS[1], "height": 900}} | settings)
    context.set_default_timeout(60_000)
    opened, wrong = context.new_page(), []
    opened.on("console", lambda message: message.type == "error" and wrong.append(message.text))
    opened.on("pageerror", lambda error: wrong.append(str(error)))
    opened.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or wrong.append(r.url))
    yield opened
    context.close()
    assert wrong == []


def too_wide(page: Any) -> list[int]:
    """The widths of `WIDTHS` at which an opened page scrolls sideways."""
    found = []
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        if page.evaluate("document.documentElement.scrollWidth") > width:
            found.append(width)
    return found
