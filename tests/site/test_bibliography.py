"""The bibliography: every work of the chapters' lists once, with the chapters that cite it."""

import nbformat
import pytest

from helpers.places import ROOT
from tools.site.bibliography import collected, doubts, entries, references_in, write

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
FIRST = """## References

- Roth et al., *Towards Total Recall in Industrial Anomaly Detection*, CVPR 2022, arXiv 2106.08265 (PatchCore); official
  code: [patchcore](https://example.org/a).
- Deitsch et al., *Automatic classification*, *Solar Energy* 185, 2019; Pang, Shen and van den Hengel, *Deep Anomaly
  Detection* (DevNet; eq. 7), KDD 2019.
- Zhang & Li, *Is Training Necessary?*, 2026 (arXiv 2601.22763; RAD).
- Jégou, *Quantization*, 2011.

**Next:** [01](01.ipynb), *not a work*, 2020.
"""
SECOND = """## References

1. Johnson, *Extensions*, 1984.
2. Roth, Pemula, *Towards total recall in industrial anomaly detection*, CVPR 2022.
3. Deitsch et al., *Solar Energy* 185, 2019 (ELPV). Cells are cut from modules.
4. Pang et al., *Deep Anomaly*, KDD 2019.
"""


def chapter(folder, name: str, text: str) -> None:
    folder.mkdir(exist_ok=True)
    cells = [
        nbformat.v4.new_markdown_cell("# Title\n\n- no reference, *really*, 2020"),
        nbformat.v4.new_markdown_cell(text),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=list(cells)), folder / f"{name}.ipynb")


@pytest.fixture
def source(tmp_path):
    chapter(tmp_path / "notebooks", "00_first", FIRST)
    chapter(tmp_path / "notebooks", "01_second", SECOND)
    return tmp_path


def test_a_reference_is_taken_apart():
    roth, deitsch, pang, zhang, _ = references_in(FIRST, "00_first")
    assert (roth.first, roth.year, roth.venue) == ("Roth", "2022", "CVPR 2022, arXiv 2106.08265")
    assert roth.note == "PatchCore; official code: [patchcore](https://example.org/a)"
    assert (deitsch.title, deitsch.venue) == ("Automatic classification", "Solar Energy 185, 2019")
    assert (pang.authors, pang.note, pang.year) == ("Pang, Shen and van den Hengel", "DevNet; eq. 7", "2019")
    assert (zhang.first, zhang.year, zhang.venue, zhang.note) == ("Zhang", "2026", "2026, arXiv 2601.22763", "RAD")
    assert list(references_in("text, *not a list*, 2020", "00_first")) == []


def test_each_work_is_there_once_with_its_chapters(source):
    assert write(source) == []
    lines = (source / "_parts/bibliography.md").read_text(encoding="utf-8").splitlines()
    names = [line.removeprefix("- ").split(",")[0] for line in lines]
    assert names == ["Deitsch et al.", "Jégou", "Johnson", "Pang", "Roth", "Zhang"]
    assert lines[0] == (
        "- Deitsch et al., *Automatic classification*, Solar Energy 185, 2019. "
        "Cited in [00](notebooks/00_first.ipynb), "
        "[01](notebooks/01_second.ipynb) (ELPV; Cells are cut from modules)."
    )
    assert "Pang, Shen, van den Hengel, *Deep Anomaly Detection*" in lines[3] and "01_second" in lines[3]
    assert "CVPR 2022, [arXiv 2106.08265](https://arxiv.org/abs/2106.08265). Cited" in lines[4]


@pytest.mark.parametrize(
    ("line", "doubt"),
    [
        ("Roth et al., *Towards Total Recall in Industrial Anomaly Detections*, CVPR 2022", "may be one work"),
        ("Roth et al., *Towards Total Recall*, CVPR 2021", "may be one work"),
        ("Rot et al., *Towards Total Recall in Industrial Anomaly Detection*, CVPR 2022", "may be one work"),
        ("Roth et al., *Towards Total Recall*, ICCV 2022", "venues that differ"),
        ("Bergmann et al., CVPR 2019", "no title"),
    ],
)
def test_what_may_be_the_same_work_is_named(source, line, doubt):
    chapter(source / "notebooks", "02_third", f"## References\n\n- {line}.\n")
    (found,) = write(source)
    assert doubt in found and "02" in found


@pytest.mark.parametrize(
    "line", ["Roth et al., *Another Subject*, CVPR 2022", "Chen, *Towards Total Recall*, CVPR 2022"]
)
def test_works_of_one_author_or_with_a_like_title_are_two(source, line):
    chapter(source / "notebooks", "02_third", f"## References\n\n- {line}.\n")
    assert write(source) == []
    assert len(collected(sorted((source / "notebooks").iterdir()))) == 7


def test_the_chapters_leave_no_doubt_and_every_line_is_read():
    works = collected(CHAPTERS)
    assert doubts(works) == [] and len(works) > 80
    assert len(entries(works).splitlines()) == len(works)
    cited = {reference.chapter for work in works for reference in work.references}
    assert cited == {path.stem for path in CHAPTERS}
    assert all(work.references[0].year or "https:" in work.venue or "GitHub" in work.venue for work in works)
    (patchcore,) = [work for work in works if work.title == "Towards Total Recall in Industrial Anomaly Detection"]
    assert {"06_memory_bank", "20_patchcore"} <= {reference.chapter for reference in patchcore.references}
