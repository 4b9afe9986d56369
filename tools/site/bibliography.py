"""One page with every work that the chapters cite under References, once, with the chapters that cite it.

A reference reads `Authors, *Title*, venue year (note)`; several works may share a line, with `;` between. A chapter may
shorten the title ('*AnomalyDINO*') or leave it out ('Bergmann et al., CVPR 2019'): first author, year and venue decide.
"""

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import combinations
from pathlib import Path

_LIST = re.compile(r"(?ms)^## References\n(.*?)(?=^\*\*Next:|^#|\Z)")
_ITEM = re.compile(r"(?m)^(?:-|\d+\.)\s+")
# A `;` outside brackets, with a name behind it: 'official code: ...' goes on about the same work.
_BETWEEN = re.compile(r";\s+(?![^()]*\))(?=[A-ZÀ-Ž])")
# What stands in italics is a title if a comma or a bracket follows, else a journal: '*Solar Energy* 185'.
_TITLED = re.compile(r"(?P<authors>.+?), \*(?P<title>[^*]+)\*(?=,| \(|$)(?P<rest>.*)")
_UNTITLED = re.compile(r"(?P<authors>.+? et al\.|[^,]+), (?P<rest>.*)")
_NOTE = re.compile(r"\s*\(([^()]*)\)")
# What follows the work itself: '; official code: ...' or a sentence.
_GOES_ON = re.compile(r";\s+(?![^()]*\))|\.\s+(?=[A-Z])")
_ARXIV = re.compile(r"arXiv (\d{4}\.\d{5})")
_ADDRESS = re.compile(r"(?<!\()https?://\S+")
ALIKE = 0.9  # fraction of equal letters above which titles of one author are named as perhaps one


@dataclass(frozen=True)
class Reference:
    """A work as one chapter cites it; title and year "" where they are not given.

    authors: as written.
    title: without italics.
    venue: where it appeared, with year and arXiv number.
    note: what the chapter adds in brackets.
    chapter: name of the notebook without ending.
    """

    authors: str
    title: str
    venue: str
    note: str
    chapter: str

    @property
    def first(self) -> str:
        """Name of the first author."""
        return re.split(r" et al\.|,| and | & ", self.authors)[0]

    @property
    def year(self) -> str:
        """The first year that the venue names."""
        found = re.search(r"\b(19|20)\d\d\b", _ARXIV.sub("", self.venue))
        return found[0] if found else ""


@dataclass
class Work:
    """References to one work, in the order of the chapters."""

    references: list[Reference] = field(default_factory=list)

    @property
    def authors(self) -> str:
        """The longest list of authors, with commas between."""
        return re.sub(r",? (?:and|&) ", ", ", max((r.authors for r in self.references), key=len))

    @property
    def title(self) -> str:
        """The longest title."""
        return max((r.title for r in self.references), key=len)

    @property
    def venue(self) -> str:
        """The longest venue."""
        return max((r.venue for r in self.references), key=len)

    @property
    def order(self) -> tuple[str, str, str]:
        """What works are sorted by."""
        first = unicodedata.normalize("NFKD", self.references[0].first).encode("ascii", "ignore").decode()
        return first.lower(), self.references[0].year, _letters(self.title)


def write(source: Path) -> list[str]:
    """Write the page's list, `_parts/bibliography.md`, from the chapters in a source folder; `doubts` about it."""
    works = collected(sorted((source / "notebooks").glob("[0-9][0-9]_*.ipynb")))
    (source / "_parts").mkdir(exist_ok=True)
    (source / "_parts/bibliography.md").write_text(entries(works), encoding="utf-8")
    return doubts(works)


def references_in(text: str, chapter: str) -> Iterator[Reference]:
    """References of a chapter's list.

    text: Markdown of a cell; nothing is found in one without the heading.
    chapter: name of the notebook without ending.
    """
    for block in _LIST.findall(text):
        for item in _ITEM.split(block)[1:]:
            for words in _BETWEEN.split(" ".join(item.split())):
                yield _reference(words.rstrip("."), chapter)


def _reference(words: str, chapter: str) -> Reference:
    found = _TITLED.match(words) or _UNTITLED.match(words)
    if found is None:
        return Reference(words, "", "", "", chapter)
    parts = {"title": ""} | found.groupdict()
    rest, *more = _GOES_ON.split(parts["rest"], maxsplit=1)
    inside = "; ".join(_NOTE.findall(rest))
    arxiv = [f", {number[0]}" for number in _ARXIV.finditer(inside)]
    venue = _NOTE.sub("", rest).replace("*", "").strip(", ") + "".join(arxiv)
    notes = [_ARXIV.sub("", inside).strip("; "), *more]
    return Reference(parts["authors"], parts["title"], venue, "; ".join(filter(None, notes)), chapter)


def collected(chapters: Iterable[Path]) -> list[Work]:
    """Works that notebooks cite, each once, by first author, year and title.

    A reference joins the first work that one of its references is the same as; full titles come first, so that a short
    one finds its own.
    """
    found = [reference for path in chapters for text in _prose(path) for reference in references_in(text, path.stem)]
    works: list[Work] = []
    for reference in sorted(found, key=lambda reference: -len(reference.title)):
        home = next((work for work in works if any(same(reference, other) for other in work.references)), None)
        if home is None:
            works.append(home := Work())
        home.references.append(reference)
    for work in works:
        work.references.sort(key=lambda reference: reference.chapter)
    return sorted(works, key=lambda work: work.order)


def _prose(path: Path) -> Iterator[str]:
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "markdown":
            yield "".join(cell["source"])


def same(one: Reference, other: Reference) -> bool:
    """Whether two references are to one work: first author, year, and title, or venue where one has no title."""
    if (_letters(one.first), one.year) != (_letters(other.first), other.year):
        return False
    if one.title and other.title:
        return _begins(one.title, other.title)
    return _begins(_without_arxiv(one), _without_arxiv(other))


def _begins(one: str, other: str) -> bool:
    short, long = sorted((_letters(one), _letters(other)), key=len)
    return f"{long} ".startswith(f"{short} ")


def _without_arxiv(reference: Reference) -> str:
    return _ARXIV.sub("", reference.venue).rstrip(", ")


def _letters(text: str) -> str:
    return " ".join(re.findall(r"\w+", text.lower()))


def doubts(works: Sequence[Work]) -> list[str]:
    """A sentence for each pair of works that may be one, each work without a title, and each with two venues."""
    lines = [f"{_where(a)} and {_where(b)} may be one work" for a, b in combinations(works, 2) if _alike(a, b)]
    lines += [f"{_where(work)} has no title in any chapter" for work in works if not work.title]
    return lines + [f"{_where(work)} has venues that differ" for work in works if not _agrees(work)]


def _alike(one: Work, other: Work) -> bool:
    a, b = _letters(one.title), _letters(other.title)
    if _letters(one.references[0].first) != _letters(other.references[0].first):
        return a == b != ""
    return bool(a and b) and (_begins(a, b) or SequenceMatcher(None, a, b, autojunk=False).ratio() > ALIKE)


def _agrees(work: Work) -> bool:
    """Whether every venue is the longest one or leaves some of its words out."""
    words = [set(_letters(_without_arxiv(reference)).split()) for reference in work.references]
    return all(some <= max(words, key=len) for some in words)


def _where(work: Work) -> str:
    first = work.references[0]
    chapters = ", ".join(reference.chapter[:2] for reference in work.references)
    return f"'{first.authors}, {work.title or work.venue}, {first.year}' ({chapters})"


def entries(works: Iterable[Work]) -> str:
    """The works as a list in Markdown, with links as seen from the root of the pages."""
    return "\n".join((*map(_entry, works), ""))


def _entry(work: Work) -> str:
    title = f", *{work.title}*" if work.title else ""
    venue = f", {work.venue}" if work.venue else ""
    where = _ADDRESS.sub(r"<\g<0>>", _ARXIV.sub(r"[\g<0>](https://arxiv.org/abs/\1)", venue))
    return f"- {work.authors}{title}{where}. Cited in {', '.join(map(_cited, work.references))}."


def _cited(reference: Reference) -> str:
    note = f" ({reference.note})" if reference.note else ""
    return f"[{reference.chapter[:2]}](notebooks/{reference.chapter}.ipynb){note}"
