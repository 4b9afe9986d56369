"""What a page would load from another server when it is opened: scripts, styles, fonts, images, frames.

Links that a reader may click are no resources, and neither are names of XML namespaces.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

# The attributes by which a tag loads something without being clicked.
_LOADS = {
    "script": ("src",),
    "img": ("src", "srcset"),
    "source": ("src", "srcset"),
    "iframe": ("src",),
    "embed": ("src",),
    "object": ("data",),
    "audio": ("src",),
    "video": ("src", "poster"),
    "track": ("src",),
    "image": ("href", "xlink:href"),
    "use": ("href", "xlink:href"),
}
# Of <link>, those that name something instead of loading it.
_NAMES = {"canonical", "alternate", "author", "license", "next", "prev", "search", "index", "help", "me"}
_ELSEWHERE = re.compile(r"\s*(?:https?:)?//", re.IGNORECASE)
_IN_STYLE = re.compile(r"""(?:url\(\s*["']?|@import\s+["'])((?:https?:)?//[^"')\s]+)""", re.IGNORECASE)


def outside_resources(site: Path) -> list[tuple[str, str]]:
    """(page or style sheet, address) of everything that a folder of pages would load from elsewhere."""
    pages = [(path, _of_page) for path in site.rglob("*.html")] + [(path, _of_style) for path in site.rglob("*.css")]
    return [
        (path.relative_to(site).as_posix(), address)
        for path, find in sorted(pages, key=lambda pair: pair[0])
        for address in find(path.read_text(encoding="utf-8"))
    ]


def _of_style(text: str) -> Iterator[str]:
    yield from _IN_STYLE.findall(text)


def _of_page(text: str) -> list[str]:
    reader = _Reader()
    reader.feed(text)
    return reader.found


class _Reader(HTMLParser):
    """Collects addresses in `found`."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._in_style = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        given = {name: value or "" for name, value in attrs}
        names = _LOADS.get(tag, ())
        if tag == "link" and not set(given.get("rel", "").lower().split()) <= _NAMES:
            names = ("href",)
        self.found += [given[name] for name in names if _ELSEWHERE.match(given.get(name, ""))]
        self.found += _of_style(given.get("style", ""))

    def handle_data(self, data: str) -> None:
        if self._in_style:
            self.found += _of_style(data)

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False
