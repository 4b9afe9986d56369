"""The glossary's terms as targets and tooltips of the links that lead to it."""

import re
from collections.abc import Mapping

from tools.site.languages import Say, is_chinese

_ROW = re.compile(r"(?m)^\| (?!term |---)([^|]+?) \| ([^|]+?) \| ([^|]+?) \|")


def rows(page: str) -> list[tuple[str, str, str]]:
    """(names, sentence, Chinese names) of each term."""
    return _ROW.findall(page)


def terms(page: str, translate: Say = str) -> dict[str, tuple[str, str]]:
    """Name of a term, in small letters -> (its target on the page, its sentence); a row may give several names.

    translate: what turns a sentence into the language of the page. Chinese names are among the names.
    """
    return {
        name: (anchor(names), translate(sentence))
        for names, sentence, chinese in rows(page)
        for name in map(_key, (names, *names.split(", "), *chinese.split(", ")))
    }


def with_anchors(page: str) -> str:
    """The page, with a target in each row that a link can lead to."""
    return _ROW.sub(lambda row: f'| <span id="{anchor(row[1])}"></span>{row[0][2:]}', page)


def chinese_first(page: str) -> str:
    """The page with the Chinese term as the first column of its table: 中文, term, sentence, chapter."""
    return re.sub(r"(?m)^\| (.+?) \| (.+?) \| ([^|]+?) \|(?= [^|]+ \|$)", r"| \3 | \1 | \2 |", page)


def anchor(names: str) -> str:
    """The target of a row: the letters and digits of its names with hyphens between, after `term-`."""
    return "term-" + re.sub(r"\W+", "-", names.lower()).strip("-")


def meaning(word: str, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """(target, sentence) of a linked word, which may be a plural; None where the glossary has no such term.

    known: from `terms`.
    """
    word = _key(word)
    singular = (word, word.removesuffix("s"), word.removesuffix("es"), re.sub("ies$", "y", word))
    return next((known[term] for term in singular if term in known), None)


def _key(name: str) -> str:
    """A name as it is looked up; Chinese without spaces, since `k 近邻` and `k近邻` are one term."""
    return re.sub(r"\s+", "" if is_chinese(name) else " ", name.strip().lower())
