"""Titles of pages that are not translated, in the contents of the Chinese site."""

import pytest

from tools.site.languages import words
from tools.site.sphinx_hooks import page_title


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("notebooks/01_metrics", "01 Metrics", "01 评价指标"),
        ("notebooks/solutions/01_metrics", "01 Metrics: solutions", "01 评价指标：解答"),
        ("notebooks/99_new", "99 New", "99 New"),
        ("docs/data", "Data guide", "数据指南"),
    ],
)
def test_a_title_is_translated_by_the_subject_of_its_chapter(name, title, shown):
    assert page_title(name, title, words("zh_CN")) == shown


def test_english_titles_stay():
    title = "01 Metrics: when numbers lie"
    assert page_title("notebooks/01_metrics", title, words("en")) == title
