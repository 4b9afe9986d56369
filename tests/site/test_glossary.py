"""Links to the glossary find their term."""

import pytest

from helpers.places import ROOT
from tools.site.glossary import anchor, meaning, terms, with_anchors

PAGE = (ROOT / "notebooks/glossary.md").read_text(encoding="utf-8")
SMALL = """| term | in one sentence | 中文 | chapter |
|---|---|---|---|
| AP, average precision | The area. | 平均精度 | [01](01_metrics.ipynb) |
| category | One product. | 类别 | [00](00_first_detector.ipynb) |
"""


def test_each_row_gets_a_target_and_keeps_its_cells():
    page = with_anchors(SMALL)
    assert '| <span id="term-ap-average-precision"></span>AP, average precision | The area. | 平均精度 |' in page
    assert page.count("<span") == 2 and page.splitlines()[0] == SMALL.splitlines()[0]


@pytest.mark.parametrize("word", ["AP", "average precision", "Average\nprecision"])
def test_every_name_of_a_term_leads_to_its_row(word):
    assert meaning(word, terms(SMALL)) == ("term-ap-average-precision", "The area.")


def test_plurals_are_found_and_other_words_are_not():
    assert meaning("categories", terms(SMALL)) == ("term-category", "One product.")
    assert meaning("glossary", terms(SMALL)) is None


def test_targets_are_unique():
    targets = {to for to, _ in terms(PAGE).values()}
    assert len(targets) == with_anchors(PAGE).count('<span id="term-') > 100
    assert anchor("F1-max") == "term-f1-max"
