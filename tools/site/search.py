"""Search in Chinese text, which has no spaces: words as jieba cuts them, and every two neighbouring characters.

Sphinx's own search for Chinese cuts the text into words and leaves the query whole, so that it finds no query that
jieba would cut. Here a query that is no word of the index is looked up by its pairs of characters, which are all there.
"""

import re
from pathlib import Path

import jieba
from sphinx.search import zh

from tools.site.glossary import rows

ROOT = Path(__file__).parents[2]
_HAN = re.compile(r"[\u4e00-\u9fff]+")
_SPLIT_QUERY = r"""
var splitQuery = (query) => {
  const words = query.match(/\p{Script=Han}+|(?:(?!\p{Script=Han})[\p{Letter}\p{Number}_])+/gu) ?? [];
  const terms = Search._index?.terms ?? {};
  const whole = (word) => !/^\p{Script=Han}{3,}$/u.test(word) || Object.hasOwn(terms, word);
  const pairs = (word) => [...word].slice(1).map((letter, i) => [...word][i] + letter);
  return words.flatMap((word) => (whole(word) ? [word] : pairs(word)));
};
"""


class SearchChinese(zh.SearchChinese):
    """Sphinx's search for Chinese, with the glossary's terms as words, and pairs of characters."""

    language_name = "English"  # whose stemmer it uses: Sphinx 9 asks for a `ChineseStemmer`, which is not there
    js_splitter_code = _SPLIT_QUERY

    def __init__(self, options: dict[str, str]) -> None:
        super().__init__(options | {"dict": ""})
        for _, _, names in rows((ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")):
            for name in filter(_HAN.fullmatch, names.split(", ")):
                jieba.add_word(name)

    def split(self, text: str) -> list[str]:
        return [*super().split(text), *pairs(text)]

    def word_filter(self, word: str) -> bool:
        return super().word_filter(word) and re.search(r"\w", word) is not None


def pairs(text: str) -> list[str]:
    """Every two neighbouring Chinese characters of a text."""
    return [run[i : i + 2] for run in _HAN.findall(text) for i in range(len(run) - 1)]
