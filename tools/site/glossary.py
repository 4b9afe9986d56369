"""The glossary's terms as targets and tooltips of the links that lead to it."""

import re
from collections.abc import Mapping

_ROW = re.compile(r"(?m)^\| (?!term |---)([^|]+?) \| ([^|]+?) \|")


def terms(page: str) -> dict[str, tuple[str, str]]:
    """Name of a term, in small letters -> (its target on the page, its sentence); a row may give several names."""
    return {
        name.lower(): (anchor(names), sentence)
        for names, sentence in _ROW.findall(page)
        for name in (names, *names.split(", "))
    }


def with_anchors(page: str) -> str:
    """The page, with a target in each row that a link can lead to."""
    return _ROW.sub(lambda row: f'| <span id="{anchor(row[1])}"></span>{row[0][2:]}', page)


def anchor(names: str) -> str:
    """The target of a row: the letters and digits of its names with hyphens between, after `term-`."""
    return "term-" + re.sub(r"\W+", "-", names.lower()).strip("-")


def meaning(word: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """(target, sentence) of a linked word, which may be a plural; None where the glossary has no such term.

    known: from `terms`.
    """
    word = " ".join(word.lower().split())
    singular = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
    return next((known[term] for term in singular if term in known), None)
